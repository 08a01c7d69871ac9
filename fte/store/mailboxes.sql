-- name: mark_dirty
insert into mailboxes (account) values ($1)
on conflict (account) do update set dirty = true

-- name: claim
-- The flag is taken down before the reading begins: what is announced meanwhile puts it up again. Who holds a mailbox
-- that it asks for was cut off before it could give it back, and goes on at once.
insert into mailboxes as m (account, dirty, holder, held_until)
values ($1, false, $2, now() + make_interval(secs => $3))
on conflict (account) do update
   set dirty = false, holder = excluded.holder, held_until = excluded.held_until
 where m.holder = $2
    or (m.dirty or m.next_sync_at <= now()) and (m.held_until is null or m.held_until <= now())
returning history_id, synced_at, now() as began_at

-- name: renew
update mailboxes set held_until = now() + make_interval(secs => $3) where account = $1 and holder = $2

-- name: begin_mail
update mailboxes
   set mail = $3,
       mail_tries = case when mail = $3 then mail_tries + 1 else 1 end
 where account = $1 and holder = $2
returning mail_tries

-- name: advance
-- The place is safe to take whoever holds the mailbox now: all before it is stored. The rest is the holder's.
update mailboxes
   set history_id = greatest(history_id, $3::numeric),
       synced_at = greatest(synced_at, $5),
       next_sync_at = case when holder = $2 then now() + make_interval(secs => $4) else next_sync_at end,
       held_until = case when holder = $2 then null else held_until end,
       holder = nullif(holder, $2)
 where account = $1

-- name: put_off
-- Nobody holds it, but it is held: that is what keeps announcements from cutting the pause short.
update mailboxes
   set dirty = true, holder = null, held_until = now() + make_interval(secs => $3), mail = null
 where account = $1 and holder = $2

-- name: put_on
update mailboxes set held_until = null where account = $1 and holder is null

-- name: watch_due
select coalesce((select watch_expires_at <= now() + make_interval(secs => $2) from mailboxes where account = $1), true)

-- name: watched
insert into mailboxes (account, watch_expires_at) values ($1, $2)
on conflict (account) do update set watch_expires_at = excluded.watch_expires_at

-- name: unwatched
update mailboxes set watch_expires_at = null where account = $1

-- name: state
select account, history_id, dirty, synced_at, next_sync_at, watch_expires_at from mailboxes where account = $1

-- name: watch_ends
select watch_expires_at from mailboxes where account = $1
