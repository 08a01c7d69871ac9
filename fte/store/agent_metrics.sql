-- name: record
-- Totals are added to in one order by everybody, so that nobody waits in a circle.
with measured as (
    select m.event, m.at, m.name, m.value, m.channel, m.dimensions, m.bucket
      from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::float8[], $5::text[], $6::jsonb[], $7::float8[])
           as m (event, at, name, value, channel, dimensions, bucket)
), kept as (
    insert into agent_metrics (event_id, recorded_at, metric_name, metric_value, channel, dimensions)
    select event, at, name, value, channel, dimensions from measured
    on conflict (event_id, metric_name) where event_id is not null do nothing
    returning event_id, metric_name
)
insert into metric_totals as known (metric_name, channel, dimensions, bucket, count, sum)
select m.name, m.channel, m.dimensions, m.bucket, count(*), sum(m.value)
  from measured m join kept k on k.event_id = m.event and k.metric_name = m.name
 group by 1, 2, 3, 4
 order by 1, 2, 3, 4
on conflict (metric_name, channel, dimensions, bucket) do update
   set count = known.count + excluded.count, sum = known.sum + excluded.sum

-- name: totals
select metric_name as name, channel, dimensions, bucket, count, sum from metric_totals

-- name: last_day
-- The three conditions are those of the three indexes on last_message_at.
with talked as (
    select initial_channel as channel, sentiment_score from conversations
     where owner = 'ai' and status <> 'resolved' and last_message_at > now() - interval '24 hours'
    union all
    select initial_channel, sentiment_score from conversations
     where owner = 'human' and status <> 'resolved' and last_message_at > now() - interval '24 hours'
    union all
    select initial_channel, sentiment_score from conversations
     where status = 'resolved' and last_message_at > now() - interval '24 hours'
), moods as (
    select channel, count(*) as conversations, avg(sentiment_score)::float8 as sentiment from talked group by 1
), measured as (
    select channel,
           count(*) filter (where metric_name = 'message') as messages,
           count(*) filter (where metric_name = 'turn' and dimensions ->> 'outcome' = 'answered') as answered,
           count(*) filter (where metric_name = 'escalation') as escalations,
           count(*) filter (where metric_name = 'delivery' and dimensions ->> 'state' = 'failed') as failed,
           avg(metric_value) filter (where metric_name = 'turn_seconds') as average,
           percentile_cont(0.95) within group (order by metric_value) filter (where metric_name = 'turn_seconds') as p95
      from agent_metrics
     where metric_name in ('message', 'turn', 'escalation', 'delivery', 'turn_seconds')
       and recorded_at > now() - interval '24 hours'
     group by 1
)
select c.channel,
       coalesce(t.conversations, 0) as total_conversations,
       t.sentiment as avg_sentiment,
       coalesce(m.escalations, 0) as escalations,
       coalesce(m.messages, 0) as messages,
       coalesce(m.answered, 0) as answered,
       coalesce(m.failed, 0) as failed_deliveries,
       m.average as avg_answer_seconds,
       m.p95 as p95_answer_seconds
  from unnest($1::text[]) with ordinality as c (channel, place)
  left join moods t on t.channel = c.channel
  left join measured m on m.channel = c.channel
 order by c.place
