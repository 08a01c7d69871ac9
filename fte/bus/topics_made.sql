-- name: note
insert into topics_made as known (prefix, gone_before) values ($1, $2)
on conflict (prefix) do update set times = known.times + 1, gone_before = excluded.gone_before

-- name: current
select times, gone_before from topics_made where prefix = $1
