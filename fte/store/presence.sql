-- name: heard_of
-- Back after an absence, nothing they said about duty before it counts any more.
update operators
   set seen_at = now(),
       duty = case when greatest(seen_at, duty_at) < now() - make_interval(secs => $3) then 'auto' else duty end
 where id = $1 and (seen_at is null or seen_at < now() - make_interval(secs => $2))

-- name: set_duty
update operators set duty = $2, duty_at = now() where id = $1

-- name: record
insert into audit (operator_id, action, idempotency_key, request_hash, details, result) values ($1, 'duty', $2, $3, $4, $5)
on conflict (operator_id, idempotency_key) do nothing
returning id

-- name: done_before
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: team
select o.id, o.name, o.role, o.duty, o.duty_at, o.seen_at, false as revoked, o.expires_at as ends_at, now() as now,
       (select count(*) from conversations c where c.operator_id = o.id and c.owner = 'human') as held,
       array(select c.number from conversations c where c.operator_id = o.id and c.owner = 'human'
              order by c.last_message_at desc limit $1) as numbers
  from operators o
 where o.revoked_at is null and (o.expires_at is null or o.expires_at > now())
 order by o.name limit $2

-- name: members
select o.name, o.role, o.duty, o.duty_at, o.seen_at, false as revoked, o.expires_at as ends_at
  from operators o
 where o.revoked_at is null and greatest(o.seen_at, o.duty_at) > now() - make_interval(secs => $1)
 limit $2

-- name: now
select now()

-- name: known
select 1 from conversations where id = $1

-- name: attend
insert into attention as a (conversation_id, operator_id, doing, until) values ($1, $2, $3, now() + make_interval(secs => $4))
on conflict (conversation_id, operator_id) do update
   set doing = excluded.doing, until = excluded.until, told = case when a.until < now() then null else a.told end

-- name: to_tell
update attention set told = doing, told_at = now()
 where conversation_id = $1 and operator_id = $2 and told is distinct from doing
   and (told_at is null or told_at < now() - make_interval(secs => $3))
returning doing

-- name: leave
delete from attention where conversation_id = $1 and operator_id = $2 returning told

-- name: forget
delete from attention where until < now() - interval '1 minute'
