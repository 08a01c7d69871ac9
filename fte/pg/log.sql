-- name: append
insert into log (topic, key, type, payload)
select topic, key, type, payload
  from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) with ordinality as e (topic, key, type, payload, n)
 order by n

-- name: snapshot
select pg_current_snapshot()::text

-- name: oldest_after
-- How far back, in time, events after a snapshot may reach that are committed, or will be.
select least(min(at), now()) from log
 where tx >= pg_snapshot_xmin($2::text::pg_snapshot)
   and not pg_visible_in_snapshot(tx, $2::text::pg_snapshot)
   and topic = any ($1)

-- name: waiting_since
-- The index gives the oldest transaction first.
select at from log
 where tx >= pg_snapshot_xmin($1::text::pg_snapshot)
   and not pg_visible_in_snapshot(tx, $1::text::pg_snapshot)
   and ($2::text is null or not pg_visible_in_snapshot(tx, $2::text::pg_snapshot) or position > $3)
 order by tx, position limit 1

-- name: horizon_age
select coalesce(max(extract(epoch from now() - xact_start)), 0)::float8
  from pg_stat_activity where datname = current_database() and backend_xid is not null

-- name: pruned
-- A place ahead of the server's own is of another server, from before a restoring.
select pg_snapshot_xmin($1::text::pg_snapshot) < (select before_tx from log_pruned)
    or pg_snapshot_xmax($1::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())

-- name: open_window
with place as materialized (
    select pg_current_snapshot()::text as until,
           pg_snapshot_xmin($2::text::pg_snapshot) < (select before_tx from log_pruned)
           or pg_snapshot_xmax($2::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as pruned
), fresh as materialized (
    select * from log
     where tx >= pg_snapshot_xmin($2::text::pg_snapshot)
       and not pg_visible_in_snapshot(tx, $2::text::pg_snapshot)
       and topic = any ($1)
)
select place.until, place.pruned, e.position, e.tx, e.id, e.topic, e.key, e.type, e.payload, e.at, e.replay
  from place left join (select * from fresh order by position limit $3) e on true
 order by e.position

-- name: read_on
with place as materialized (
    select $3::text as until,
           pg_snapshot_xmin($2::text::pg_snapshot) < (select before_tx from log_pruned)
           or pg_snapshot_xmax($2::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as pruned
), rest as materialized (
    select * from log
     where position > $4
       and tx >= pg_snapshot_xmin($2::text::pg_snapshot)
       and not pg_visible_in_snapshot(tx, $2::text::pg_snapshot)
       and pg_visible_in_snapshot(tx, $3::text::pg_snapshot)
       and topic = any ($1)
     order by position limit $5
)
select place.until, place.pruned, e.position, e.tx, e.id, e.topic, e.key, e.type, e.payload, e.at, e.replay
  from place left join rest e on true
 order by e.position

-- name: prune
with gone_for_good as (
    delete from cursors where saved_at < now() - make_interval(days => $1) and coalesce(held_until < now(), true)
), bound as (
    select least((select min(pg_snapshot_xmin(seen)) from cursors
                   where saved_at >= now() - make_interval(days => $1) or held_until >= now()),
                 (select min(tx) from log where at > now() - make_interval(days => $1)),
                 pg_snapshot_xmin(pg_current_snapshot())) as tx
), gone as (
    delete from log using bound where log.tx < bound.tx returning 1
), marked as (
    update log_pruned set before_tx = greatest(before_tx, bound.tx) from bound where exists (select from gone)
)
select count(*) from gone
