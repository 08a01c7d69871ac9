-- name: pick
with matching as (
    select c.id
      from conversations c join customers u on u.id = c.customer_id join tickets k on k.conversation_id = c.id
     where (u.name ilike $3 or c.name ilike $3 or u.email ilike $3 or u.phone ilike $3 or k.subject ilike $3
            or c.number::text = trim('%' from $3) or k.priority = lower(trim('%' from $3))
            or k.category = replace(lower(trim('%' from $3)), ' ', '_'))
       and k.tags @> $5::text[]
), named as (
    select conversation_id from mentions where operator_id = $2 and seen_at is null
), found as (
    -- Due: late, then soonest. What the AI answers is only there once it is nearly late.
    select id, 0 as part, row_number() over (order by due_at, id) as place
      from (select id, due_at
              from conversations
             where status <> 'resolved' and snoozed_until is null and due_at is not null and (owner = 'human' or due_kind = any (warned))
               and ($1 in ('open', 'all') or ($1 = 'mentions' and id in (select conversation_id from named))
                    or ($1 = 'needs_person' and owner = 'human' and operator_id is null)
                    or ($1 = 'mine' and owner = 'human' and operator_id = $2))
               and ($3::text is null or id in (select id from matching))
             order by due_at, id limit $4) due
    union all
    -- Nobody's, mine and other people's with nothing due.
    select id, part, row_number() over (partition by part order by rank, at, id)
      from (select id, case when operator_id is null then 1 when operator_id = $2 then 2 else 3 end as part,
                   case when operator_id is null then (escalation_urgency is distinct from 'high')::int
                        else (last_inbound_seq <= answered_seq)::int end as rank,
                   extract(epoch from case when operator_id is null then coalesce(escalated_at, last_message_at)
                                           else last_message_at end)
                   * case when operator_id is null or last_inbound_seq > answered_seq then 1 else -1 end as at
              from conversations
             where owner = 'human' and status <> 'resolved' and snoozed_until is null and due_at is null
               and ($1 in ('open', 'all') or ($1 = 'mentions' and id in (select conversation_id from named))
                    or ($1 = 'needs_person' and operator_id is null) or ($1 = 'mine' and operator_id = $2))
               and ($3::text is null or id in (select id from matching))
             order by part, rank, at, id limit $4) held
    union all
    -- What waits for approval, oldest first, and then what the AI answers.
    select id, 4, row_number() over (order by at, id)
      from (select d.conversation_id as id, d.created_at as at
              from drafts d join conversations c on c.id = d.conversation_id
             where d.state = 'pending' and c.snoozed_until is null
               and ($1 in ('open', 'all') or ($1 = 'mentions' and c.id in (select conversation_id from named)))
               and not coalesce(c.due_kind = any (c.warned), false)
               and ($3::text is null or d.conversation_id in (select id from matching))
             order by d.created_at, d.conversation_id limit $4) drafted
    union all
    select id, 5, row_number() over (order by last_message_at desc, id)
      from (select id, last_message_at
              from conversations
             where owner = 'ai' and status <> 'resolved' and snoozed_until is null
               and ($1 in ('open', 'all') or ($1 = 'mentions' and id in (select conversation_id from named)))
               and not coalesce(due_kind = any (warned), false)
               and not exists (select from drafts d where d.conversation_id = conversations.id and d.state = 'pending')
               and ($3::text is null or id in (select id from matching))
             order by last_message_at desc, id limit $4) answering
    union all
    select id, 6, row_number() over (order by snoozed_until, id)
      from (select id, snoozed_until
              from conversations
             where snoozed_until is not null and status <> 'resolved'
               and ($1 in ('snoozed', 'all') or ($1 = 'mentions' and id in (select conversation_id from named)))
               and ($3::text is null or id in (select id from matching))
             order by snoozed_until, id limit $4) aside
    union all
    select id, 7, row_number() over (order by last_message_at desc, id)
      from (select id, last_message_at
              from conversations
             where status = 'resolved' and ($1 in ('resolved', 'all') or ($1 = 'mentions' and id in (select conversation_id from named)))
               and ($3::text is null or id in (select id from matching))
             order by last_message_at desc, id limit $4) settled
)
select id from found order by part, place limit $4

-- name: walk
select id
  from conversations
 where number < $3
   and case $1 when 'open' then status <> 'resolved' and snoozed_until is null
               when 'needs_person' then owner = 'human' and status <> 'resolved' and snoozed_until is null and operator_id is null
               when 'mine' then owner = 'human' and status <> 'resolved' and snoozed_until is null and operator_id = $2
               when 'snoozed' then status <> 'resolved' and snoozed_until is not null
               when 'mentions' then id in (select conversation_id from mentions where operator_id = $2 and seen_at is null)
               when 'resolved' then status = 'resolved'
               else true end
 order by number desc limit $4

-- name: items
select c.id as conversation_id, c.number, coalesce(nullif(c.name, ''), case when c.verified then nullif(cu.name, '') end, cu.email, cu.phone, '?') as customer,
       k.channel, k.subject, k.category, k.priority, k.status as ticket_status, c.status, c.owner,
       o.name as operator,
       case when c.owner = 'human' and c.status <> 'resolved' then c.escalation_reason end as reason,
       case when c.owner = 'human' and c.status <> 'resolved' then c.escalation_urgency end as urgency,
       c.sentiment_score::float8 as sentiment,
       c.last_seq, coalesce(m.role, 'customer') as last_role, c.last_inbound_seq > c.answered_seq as unanswered,
       c.started_at, c.last_message_at, c.escalated_at, left(coalesce(m.content, ''), 200) as preview, k.tags,
       (select i.number from conversations i where i.id = c.merged_into) as merged_into, c.customer_id,
       array(select n.name from mentions mn join operators n on n.id = mn.operator_id
              where mn.conversation_id = c.id and mn.seen_at is null group by n.name order by n.name) as mentions,
       (select d.created_at from drafts d where d.conversation_id = c.id and d.state = 'pending') as draft_since,
       c.due_at, c.due_kind, coalesce(c.due_kind = any (c.warned), false) as warned,
       coalesce(c.due_kind = any (c.breached), false) as breached, c.window_until, c.snoozed_until,
       coalesce((select jsonb_agg(jsonb_build_object('operator', p.name, 'doing', a.doing, 'until', a.until) order by p.name)
                   from attention a join operators p on p.id = a.operator_id
                  where a.conversation_id = c.id and a.until > now()), '[]') as attending
  from unnest($1::uuid[]) with ordinality as wanted (id, place)
  join conversations c on c.id = wanted.id
  join customers cu on cu.id = c.customer_id
  join lateral (select source_channel as channel, subject, category, priority, status, tags from tickets
                 where conversation_id = c.id order by created_at desc limit 1) k on true
  left join operators o on o.id = c.operator_id
  left join lateral (select role, content from messages
                      where conversation_id = c.id and direction <> 'note' order by seq desc limit 1) m on true
 order by wanted.place

-- name: needs_person
select count(*) from conversations where owner = 'human' and status <> 'resolved' and operator_id is null and snoozed_until is null

-- name: drafts
select count(*) from drafts where state = 'pending'

-- name: facts
select c.epoch, c.verified, c.customer_id, cu.email, cu.phone,
       case when c.owner = 'human' then c.escalation_brief end as brief,
       c.window_until, c.clocks, c.warned, c.breached,
       (select number from conversations where id = c.linked_to) as refers_to,
       array(select number from conversations where linked_to = c.id order by number desc limit 10) as referred_by,
       c.merged_into as merged_id,
       coalesce((select jsonb_agg(jsonb_build_object('conversation_id', i.id, 'number', i.number) order by i.number)
                   from (select id, number from conversations where merged_into = c.id order by number desc limit 20) i), '[]') as merged,
       case when c.status = 'resolved' then (
           select jsonb_build_object('at', c.ended_at, 'resolution', k.resolution, 'reason', k.resolution_notes, 'operator',
                      case when c.merged_into is null
                           then (select o.name from audit a join operators o on o.id = a.operator_id
                                  where a.conversation_id = c.id and a.action = 'resolve' order by a.at desc limit 1)
                           else (select o.name from conversation_merges g join operators o on o.id = g.operator_id
                                  where g.merged = c.id and g.undone_at is null) end)
             from tickets k where k.conversation_id = c.id order by k.created_at desc limit 1) end as ended
  from conversations c join customers cu on cu.id = c.customer_id
 where c.id = $1

-- name: messages
select * from (
    select m.id, m.seq, m.channel, m.direction, m.role,
           case m.role when 'customer' then coalesce(nullif(c.name, ''), case when c.verified then nullif(cu.name, '') end,
                                                    m.sender, cu.email, cu.phone, 'Customer')
                       when 'operator' then coalesce(o.name, 'Operator') when 'agent' then 'AI' else 'System' end as author,
           m.content, m.sentiment::float8 as sentiment, m.delivery_status, m.outcome, m.reason, m.run_id, m.created_at,
           (select a.name from operators a where a.id = m.approved_by) as approved_by,
           case when m.delivery_status in ('queued', 'failed', 'unknown')
                then (select r.error from replies r where r.message_id = m.id and r.error is not null
                       order by r.kind, r.part limit 1) end as delivery_error,
           case when m.direction = 'inbound'
                then (select jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name, 'media_type', a.media_type, 'size', a.size,
                                                          'state', a.state, 'reason', a.reason) order by a.ordinal)
                        from attachments a where a.message_id = m.id) end as attachments
      from messages m
      join conversations c on c.id = m.conversation_id
      join customers cu on cu.id = c.customer_id
      left join operators o on o.id = m.operator_id
     where m.conversation_id = $1 and ($2::int is null or m.seq < $2)
     order by m.seq desc limit $3
) newest order by seq

-- name: runs
select id, attempt, outcome, model, instructions_version, trace, input_tokens, output_tokens, latency_ms, error, created_at
  from runs where conversation_id = $1 and id = any ($2) order by created_at limit $3
