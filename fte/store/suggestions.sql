-- name: sources
-- Of several answers in one conversation the longest explains most. Whoever would rather ask a person, or asked the AI in
-- vain, was not helped by the pages either: no run may have searched for what they asked.
with taught as (
    select m.id, m.conversation_id, 'answered' as kind, '' as draft, m.content as answer, m.seq, m.created_at,
           coalesce(o.name, '') as operator
      from messages m
      join conversations c on c.id = m.conversation_id
      left join operators o on o.id = m.operator_id
     where m.id >= $1 and m.direction = 'outbound' and m.role = 'operator' and c.status = 'resolved'
       and exists (select from runs r
                    where r.conversation_id = m.conversation_id and r.created_at < m.created_at
                      and (r.trace -> 'verdicts' ?| array['escalated: human_request', 'escalated: repeated_question']
                           or jsonb_path_exists(r.trace, '$.tools[*] ? (@.name == "search_knowledge_base")')
                              and (jsonb_array_length(coalesce(r.trace -> 'passages', '[]')) = 0
                                   or r.trace -> 'verdicts' ? 'escalated: no_answer_found')))
    union all
    select m.id, m.conversation_id, 'edited', d.body, m.content, m.seq, m.created_at, coalesce(o.name, '')
      from drafts d
      join messages m on m.id = d.message_id
      left join operators o on o.id = d.operator_id
     where m.id >= $1 and d.state = 'approved' and m.content <> d.body
), best as (
    select distinct on (t.conversation_id, t.kind) t.*
      from taught t
     where length(t.answer) >= $2
     order by t.conversation_id, t.kind, length(t.answer) desc, t.seq
)
select b.id, b.conversation_id, c.number, b.kind, b.draft, b.answer, b.operator, b.created_at as at,
       coalesce((select string_agg(q.content, E'\n' order by q.seq)
                   from (select i.content, i.seq from messages i
                          where i.conversation_id = b.conversation_id and i.direction = 'inbound' and i.seq < b.seq
                            and i.seq > coalesce((select max(a.seq) from messages a
                                                   where a.conversation_id = b.conversation_id and a.seq < b.seq and answers(a)), 0)
                          order by i.seq desc limit 5) q), '') as question,
       array_remove(array[c.name, cu.name, b.operator], null) as names
  from best b
  join conversations c on c.id = b.conversation_id
  join customers cu on cu.id = c.customer_id
 where ($3::uuid[] is null or b.id = any($3))
   and not exists (select from suggestions s where s.message_id = b.id)
 order by b.created_at desc, b.id
 limit $4

-- name: decide
insert into suggestions (message_id, state, operator_id, source) values ($1, $2, $3, $4)
on conflict (message_id) do nothing
returning message_id

-- name: decided
select s.state, s.source, o.name from suggestions s join operators o on o.id = s.operator_id where s.message_id = $1

-- name: audited
insert into audit (operator_id, action, conversation_id, details) values ($1, 'teach', $2, $3)
