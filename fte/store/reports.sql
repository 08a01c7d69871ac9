-- name: received
select coalesce(m.channel, 'all') as channel, count(*) as messages, count(distinct m.conversation_id) as conversations,
       count(distinct m.customer_id) as customers, avg(m.sentiment)::float8 as sentiment
  from (select m.channel::text, m.conversation_id, m.sentiment, c.customer_id
          from messages m join conversations c on c.id = m.conversation_id
         where m.id >= $3 and m.created_at >= $1 and m.created_at < $2 and m.direction = 'inbound') m
 group by rollup (m.channel)

-- name: answered
select coalesce(m.channel, 'all') as channel, count(*) filter (where m.role = 'agent') as by_ai,
       count(*) filter (where m.role = 'operator') as by_people
  from (select m.channel::text, m.role
          from messages m
         where m.id >= $3 and m.created_at >= $1 and m.created_at < $2 and answers(m)) m
 group by rollup (m.channel)

-- name: times
select coalesce(t.channel, 'all') as channel, percentile_cont(0.5) within group (order by t.metric_value) as p50,
       percentile_cont(0.95) within group (order by t.metric_value) as p95
  from (select channel::text, metric_value from agent_metrics
         where metric_name = 'turn_seconds' and recorded_at >= $1 and recorded_at < $2) t
 group by rollup (t.channel)

-- name: people_times
-- From the first message that nobody had answered to a person's answer.
select coalesce(t.channel, 'all') as channel, percentile_cont(0.5) within group (order by t.seconds) as p50,
       percentile_cont(0.95) within group (order by t.seconds) as p95
  from (select a.channel::text, extract(epoch from a.created_at - asked.at)::float8 as seconds
          from messages a
          cross join lateral (
              select min(m.created_at) as at from messages m
               where m.conversation_id = a.conversation_id and m.direction = 'inbound' and m.seq < a.seq
                 and m.seq > coalesce((select max(b.seq) from messages b
                                        where b.conversation_id = a.conversation_id and b.seq < a.seq and answers(b)), 0)) asked
         where a.id >= $3 and a.created_at >= $1 and a.created_at < $2 and a.role = 'operator' and answers(a)
           and asked.at is not null) t
 group by rollup (t.channel)

-- name: escalations
select coalesce(e.channel, 'all') as channel, e.reason, count(*) as times
  from (select channel::text, coalesce(dimensions ->> 'reason', '?') as reason from agent_metrics
         where metric_name = 'escalation' and recorded_at >= $1 and recorded_at < $2) e
 group by grouping sets ((e.channel, e.reason), (e.reason))
 order by times desc, e.reason

-- name: categories
-- Only the form asks for one: the others have that of the page that was looked at last.
select coalesce(nullif(k.category, 'general'), page.category, 'general') as category, count(*) as tickets
  from tickets k
  left join lateral (
      select d.category from runs r join documents d on d.source = r.trace #>> '{passages,0,source}'
       where r.conversation_id = k.conversation_id and r.id >= $3 and r.created_at >= $1 and r.created_at < $2
       order by r.id desc limit 1) page on k.category = 'general'
 where exists (select from messages m where m.conversation_id = k.conversation_id and m.id >= $3 and m.direction = 'inbound'
                                        and m.created_at >= $1 and m.created_at < $2)
 group by 1 order by tickets desc, 1

-- name: pages
-- The page an answer is said to come from is the first it was given.
select r.trace #>> '{passages,0,source}' as source, max(r.trace #>> '{passages,0,title}') as title, count(*) as answers
  from runs r
 where r.id >= $3 and r.created_at >= $1 and r.created_at < $2 and r.outcome in ('answered', 'drafted')
   and jsonb_array_length(coalesce(r.trace -> 'passages', '[]')) > 0
 group by 1 order by answers desc, source limit $4

-- name: talks
with touched as (
    select distinct m.conversation_id from messages m
     where m.id >= $3 and m.created_at >= $1 and m.created_at < $2 and m.direction = 'inbound'
     limit $4
)
select m.conversation_id, c.initial_channel::text as channel, m.role, m.created_at, answers(m) as answers,
       m.outcome in ('escalated', 'handed_over') as handed_over,
       case when m.role = 'customer' and length(m.content) <= $5 then m.content end as short
  from touched t
  join conversations c on c.id = t.conversation_id
  join messages m on m.conversation_id = t.conversation_id
 where m.direction = 'inbound' or answers(m)
 order by m.conversation_id, m.seq

-- name: unanswered
-- The agent looked and found nothing, whatever came of it then, or nothing that answers, and gave it to a person for that. Its question is what the customer wrote since the last answer.
select r.conversation_id, c.number, t.channel::text as channel, r.created_at as at, asked.text
  from runs r
  join turns t on t.id = r.turn_id
  join conversations c on c.id = r.conversation_id
  cross join lateral (
      select string_agg(m.content, E'\n' order by m.seq) as text
        from messages m
       where m.conversation_id = r.conversation_id and m.direction = 'inbound' and m.created_at <= r.created_at
         and m.seq > coalesce((select max(o.seq) from messages o
                                where o.conversation_id = r.conversation_id and o.direction = 'outbound'
                                  and o.created_at < r.created_at and o.run_id is distinct from r.id), 0)) asked
 where r.id >= $3 and r.created_at >= $1 and r.created_at < $2 and r.outcome in ('answered', 'drafted', 'escalated')
   and jsonb_path_exists(r.trace, '$.tools[*] ? (@.name == "search_knowledge_base")')
   and (jsonb_array_length(coalesce(r.trace -> 'passages', '[]')) = 0
        or r.trace -> 'verdicts' ? 'escalated: no_answer_found')
   and asked.text is not null
 order by r.created_at desc, r.id limit $4
