-- name: report
insert into channel_health as known (channel, account, healthy, detail)
values ($1, $2, $3::text is null, coalesce($3, ''))
on conflict (channel, account) do update
   set healthy = excluded.healthy, detail = excluded.detail, checked_at = now(),
       changed_at = case when known.healthy = excluded.healthy then known.changed_at else now() end

-- name: begin_probe
insert into channel_health as known (channel, account, healthy, next_probe_at)
values ($1, $2, true, now() + make_interval(secs => $3))
on conflict (channel, account) do update set next_probe_at = excluded.next_probe_at
 where known.next_probe_at <= now()
returning true

-- name: probed
with before as (select silent_since from channel_health where channel = $1 and account = $2 for update)
update channel_health as known
   set silent_since = case when $3::text is not null then coalesce(known.silent_since, now()) end,
       silence = coalesce($3, ''),
       changed_at = case when (before.silent_since is null) = ($3 is null) then known.changed_at else now() end,
       checked_at = now(),
       next_probe_at = now() + make_interval(secs => $4)
  from before
 where known.channel = $1 and known.account = $2
returning (before.silent_since is null) <> (known.silent_since is null)

-- name: current
select channel, account, healthy and silent_since is null as healthy,
       case when silent_since is null then detail else silence end as detail,
       changed_at, checked_at
  from channel_health order by channel, account
