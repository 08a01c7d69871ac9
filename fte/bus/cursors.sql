-- name: claim
insert into cursors as c (group_name, holder, held_until)
values ($1, $2, now() + make_interval(secs => $3))
on conflict (group_name) do update
    set holder = $2, held_until = excluded.held_until
    where c.holder is null or c.held_until < now()
returning seen::text, until::text, position

-- name: save
update cursors
   set held_until = now() + make_interval(secs => $3),
       saved_at = now(),
       seen = coalesce($4::text::pg_snapshot, seen),
       until = case when $4 is null then until else $5::text::pg_snapshot end,
       position = coalesce($6, position)
 where group_name = $1 and holder = $2
returning holder

-- name: release
update cursors
   set holder = null, held_until = null,
       seen = coalesce($3::text::pg_snapshot, seen),
       until = case when $3 is null then until else $4::text::pg_snapshot end,
       position = coalesce($5, position)
 where group_name = $1 and holder = $2

-- name: silent_for
select extract(epoch from now() - saved_at)::float8 from cursors where group_name = $1

-- name: current
select seen::text, until::text, position from cursors where group_name = $1
