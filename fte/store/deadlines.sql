-- name: counted
-- Of the given ones, those whose clocks are to be counted: all of them, or only those that something has changed for.
select c.id, k.id as ticket_id, k.priority, k.channel, c.number, c.status = 'resolved' as resolved, c.owner, c.epoch, c.status,
       c.last_seq, c.waiting_since, c.answered_at, c.resolution_from, c.paused_at is not null or c.waiting_since is null as resting,
       c.paused_for, array(select lower(p) from unnest(c.pauses) p) as pauses_from,
       array(select upper(p) from unnest(c.pauses) p) as pauses_until,
       c.window_until, c.warned, c.breached, clock_timestamp() as now, p.hours, p.deadlines
  from conversations c
  cross join deadline_policy p
  join lateral (select id, priority, source_channel as channel from tickets
                 where conversation_id = c.id order by created_at desc limit 1) k on true
 where c.id = any ($1) and ($2 or c.clocks_stale_at is not null)

-- name: set_clocks
update conversations
   set clocks = $2, due_at = $3, due_kind = $4, warned = $5, breached = $6, next_alarm_at = $7, paused_for = $8, pauses = '{}',
       clocks_stale_at = null, snoozed_until = case when $9 then null else snoozed_until end
 where id = $1

-- name: ring
-- Those with something to announce, and those that nobody counted anew in the transaction that changed them.
with ringing as (
    select id from conversations where next_alarm_at <= now() order by next_alarm_at limit $1 for update skip locked
), forgotten as (
    select id from conversations where clocks_stale_at < now() - make_interval(secs => $2)
     order by clocks_stale_at limit $1 for update skip locked
)
select id from ringing union select id from forgotten

-- name: wake
with slept as (
    select id from conversations where snoozed_until <= now() order by snoozed_until limit $1 for update skip locked
)
update conversations c set snoozed_until = null from slept where c.id = slept.id returning c.id

-- name: lock
select id from conversations where id = $1 for update

-- name: set_policy
update deadline_policy set hours = $1, deadlines = $2 where (hours, deadlines) is distinct from ($1, $2) returning true

-- name: policy
select hours, deadlines from deadline_policy

-- name: count_all_anew
update conversations set clocks_stale_at = coalesce(clocks_stale_at, now()) where status <> 'resolved'
