-- A server that was killed forgets transactions that nothing on its disk followed, and gives their numbers away again. A
-- stored place knows none of them, for storing it followed them; one that was read in memory may. So what was read of a
-- server is stored in that one only, not in the one it is after a restart.

-- name: claim
insert into cursors as c (group_name, holder, held_until)
values ($1, $2, now() + make_interval(secs => $3))
on conflict (group_name) do update
    set holder = $2, held_until = excluded.held_until
    where c.holder is null or c.held_until < now()
returning seen::text, until::text, position, pg_postmaster_start_time() as server

-- name: save
update cursors
   set held_until = now() + make_interval(secs => $3),
       saved_at = now(),
       seen = coalesce($4::text::pg_snapshot, seen),
       until = case when $4 is null then until else $5::text::pg_snapshot end,
       position = coalesce($6, position)
 where group_name = $1 and holder = $2 and pg_postmaster_start_time() = $7
returning holder

-- name: release
update cursors
   set holder = null, held_until = null,
       seen = case when pg_postmaster_start_time() = $6 then coalesce($3::text::pg_snapshot, seen) else seen end,
       until = case when $3 is null or pg_postmaster_start_time() <> $6 then until else $4::text::pg_snapshot end,
       position = case when pg_postmaster_start_time() = $6 then coalesce($5, position) else position end
 where group_name = $1 and holder = $2

-- name: silent_for
select extract(epoch from now() - saved_at)::float8 from cursors where group_name = $1

-- name: current
select seen::text, until::text, position from cursors where group_name = $1
