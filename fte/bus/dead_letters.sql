-- name: bury
-- A replay that fails again is the same letter. An event that comes again by itself changes nothing.
with dead as (
    insert into dead_letters as d (event_id, group_name, topic, key, event, error, attempts)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (event_id, group_name) do update
        set state = 'waiting', error = excluded.error, attempts = d.attempts + excluded.attempts, changed_at = now()
        where d.state = 'replayed'
    returning id
)
insert into log (topic, key, type, payload)
select $8, $4, 'dead_letter.added',
       jsonb_build_object('dead_letter_id', dead.id, 'event_id', $1::text, 'group', $2::text, 'topic', $3::text, 'error', $6::text)
  from dead
