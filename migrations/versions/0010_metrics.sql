-- ---------------------------------------------------------------- metrics: totals

create table metric_totals (
    metric_name  text not null,
    channel      channel not null,
    dimensions   jsonb not null default '{}',
    bucket       double precision not null default 'infinity',
    count        bigint not null,
    sum          double precision not null,
    primary key (metric_name, channel, dimensions, bucket)
) with (fillfactor = 50);
comment on table metric_totals is 'agent_metrics, added up as it grows: what Prometheus reads every few seconds';
comment on column metric_totals.bucket is 'the bound the values do not exceed, where how they are distributed matters; otherwise infinity';

insert into metric_totals (metric_name, channel, dimensions, bucket, count, sum)
select metric_name, channel, dimensions, bucket, count(*), sum(metric_value)
  from (select m.*, coalesce(case when m.metric_name in ('run_ms', 'turn_seconds') then (
                   select min(b.bound)
                     from unnest(array[0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 1800, 3600]::float8[])
                          as s (seconds)
                    cross join lateral (
                          select s.seconds * case m.metric_name when 'run_ms' then 1000 else 1 end as bound) b
                    where b.bound >= m.metric_value) end, 'infinity') as bucket
          from agent_metrics m where m.channel is not null) as measured
 group by metric_name, channel, dimensions, bucket;

-- ---------------------------------------------------------------- metrics: what is counted is announced where it happens

create function measure_message() returns trigger language plpgsql as $$
begin
    insert into log (topic, key, type, payload)
    values ('fte.metrics', new.conversation_id::text, 'message.settled',
            jsonb_build_object('channel', new.channel, 'outcome', new.outcome));
    return null;
end
$$;
create trigger measure_new_message after insert on messages for each row
    when (new.direction = 'inbound' and new.outcome is not null)
    execute function measure_message();
create trigger measure_message after update of outcome on messages for each row
    when (new.direction = 'inbound' and coalesce(old.outcome, 'drafted') = 'drafted'
          and new.outcome is not null and new.outcome <> 'drafted')
    execute function measure_message();

create function measure_reply() returns trigger language plpgsql as $$
begin
    insert into log (topic, key, type, payload)
    values ('fte.metrics', new.conversation_id::text, 'reply.settled',
            jsonb_build_object('channel', new.channel, 'state', new.state));
    return null;
end
$$;
create trigger measure_new_reply after insert on replies for each row
    when (new.state not in ('draft', 'queued', 'sending'))
    execute function measure_reply();
create trigger measure_reply after update of state on replies for each row
    when (new.state <> old.state and new.state not in ('draft', 'queued', 'sending'))
    execute function measure_reply();
