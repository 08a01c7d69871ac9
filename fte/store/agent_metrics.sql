-- name: record
insert into agent_metrics (event_id, recorded_at, metric_name, metric_value, channel, dimensions)
select $1, $2, m.name, m.value, m.channel, m.dimensions
  from unnest($3::text[], $4::float8[], $5::text[], $6::jsonb[]) as m (name, value, channel, dimensions)
on conflict (event_id, metric_name) where event_id is not null do nothing
