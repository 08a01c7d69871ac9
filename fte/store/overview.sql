-- name: messages
-- Ids grow with time, so the newest are found by the primary key.
select coalesce(m.channel, 'all') as channel, m.bucket, count(*) as received, avg(m.sentiment)::float8 as sentiment
  from (select channel::text, floor(extract(epoch from created_at - $1) / $2)::int as bucket, sentiment
          from messages
         where id >= $3 and direction = 'inbound' and created_at >= $1
         order by id desc limit $4) m
 group by grouping sets ((m.channel, m.bucket), (m.channel), (m.bucket), ())

-- name: turns
select coalesce(t.channel, 'all') as channel, t.bucket, count(*) as turns,
       percentile_cont(0.5) within group (order by t.metric_value) as p50,
       percentile_cont(0.95) within group (order by t.metric_value) as p95
  from (select channel::text, floor(extract(epoch from recorded_at - $1) / $2)::int as bucket, metric_value
          from agent_metrics
         where metric_name = 'turn_seconds' and recorded_at >= $1
         order by recorded_at desc limit $3) t
 group by grouping sets ((t.channel, t.bucket), (t.channel), (t.bucket), ())

-- name: escalations
select coalesce(e.channel, 'all') as channel, e.bucket, e.reason, count(*) as escalations
  from (select channel::text, floor(extract(epoch from recorded_at - $1) / $2)::int as bucket,
               coalesce(dimensions ->> 'reason', '?') as reason
          from agent_metrics
         where metric_name = 'escalation' and recorded_at >= $1
         order by recorded_at desc limit $3) e
 group by grouping sets ((e.channel, e.bucket), (e.channel, e.reason), (e.bucket), (e.reason))

-- name: owed
select count(*) as owed, min(due_at) as since from (select due_at from turns where state in ('due', 'running') limit 100000) t

-- name: letters_waiting
select count(*) from (select from dead_letters where state = 'waiting' limit 10000) d
