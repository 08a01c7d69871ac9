-- name: bury
-- A replay that fails again is the same letter. An event that comes again by itself changes nothing.
with dead as (
    insert into dead_letters as d (event_id, group_name, topic, key, event, error, attempts)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (event_id, group_name) do update
        set state = 'waiting', error = excluded.error, attempts = d.attempts + excluded.attempts, changed_at = now()
        where d.state = 'replayed' and $9::boolean
    returning id
)
insert into log (topic, key, type, payload)
select $8, $4, 'dead_letter.added',
       jsonb_build_object('dead_letter_id', dead.id, 'event_id', $1::text, 'group', $2::text, 'topic', $3::text, 'error', $6::text)
  from dead

-- name: counts
select group_name, count(*) from dead_letters where state = 'waiting' group by 1

-- name: letters
select id, event_id, group_name as "group", topic, key, event ->> 'type' as type,
       (event ->> 'at')::timestamptz as at, event -> 'payload' as payload, error, attempts, state, replays, reason,
       created_at, changed_at
  from dead_letters
 where ($1::text is null or state = $1) and ($2::text is null or topic = $2) and ($3::text is null or group_name = $3)
   and ($4::bigint is null or id < $4) and ($5::bigint is null or id = $5)
 order by id desc limit $6

-- name: waiting
select id from dead_letters
 where state = 'waiting' and ($1::text is null or topic = $1) and ($2::text is null or group_name = $2)
 order by id limit $3

-- name: look
select id, state, replays from dead_letters where id = any ($1::bigint[]) order by id

-- name: lock_conversations
-- Whoever appends an event holds the lock of its key's row. Keys that are no conversation's have none.
select id from conversations
 where id in (select case when key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then key::uuid end
                from dead_letters where id = any ($1::bigint[]))
 order by id for update

-- name: lock_letters
select id, state, replays from dead_letters where id = any ($1::bigint[]) order by id for update

-- name: retry
with again as (
    update dead_letters
       set state = 'replayed', replays = replays + 1, reason = null, changed_at = now()
     where id = any ($1::bigint[])
    returning id, event_id, group_name, topic, key, event, replays
), replay as (
    insert into log (topic, key, type, payload, replay)
    select topic, key, event ->> 'type', event -> 'payload',
           jsonb_build_object('group', group_name, 'of', event_id, 'at', event -> 'at')
      from again order by id
)
insert into log (topic, key, type, payload)
select $2, key, 'dead_letter.replayed',
       jsonb_build_object('dead_letter_id', id, 'event_id', event_id, 'group', group_name, 'topic', topic, 'replays', replays)
  from again order by id

-- name: drop
with given_up as (
    update dead_letters set state = 'dropped', reason = $3, changed_at = now()
     where id = any ($1::bigint[])
    returning id, event_id, group_name, topic, key
)
insert into log (topic, key, type, payload)
select $2, key, 'dead_letter.dropped',
       jsonb_build_object('dead_letter_id', id, 'event_id', event_id, 'group', group_name, 'topic', topic)
  from given_up order by id

-- name: reported
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: audited
insert into audit (operator_id, action, idempotency_key, request_hash, details, result) values ($1, $2, $3, $4, $5, $5)
