-- name: listed
select key, title, body, channel, language from canned_replies order by key limit $1

-- name: lock
-- One at a time, so that the number of them holds.
select pg_advisory_xact_lock(hashtextextended('canned_replies', 0))

-- name: others
select count(*) from canned_replies where key <> $1

-- name: save
insert into canned_replies (key, title, body, channel, language, updated_by) values ($1, $2, $3, $4, $5, $6)
on conflict (key) do update
   set title = excluded.title, body = excluded.body, channel = excluded.channel, language = excluded.language,
       updated_at = now(), updated_by = excluded.updated_by

-- name: remove
delete from canned_replies where key = $1 returning key

-- name: audited
insert into audit (operator_id, action, details) values ($1, $2, $3)
