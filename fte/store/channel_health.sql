-- name: report
insert into channel_health as known (channel, account, healthy, detail)
values ($1, $2, $3::text is null, coalesce($3, ''))
on conflict (channel, account) do update
   set healthy = excluded.healthy, detail = excluded.detail, checked_at = now(),
       changed_at = case when known.healthy = excluded.healthy then known.changed_at else now() end

-- name: current
select channel, account, healthy, detail, changed_at, checked_at from channel_health order by channel, account
