-- name: add
insert into operators (id, name, role, token_hash, expires_at)
values ($1, $2, $3, $4, now() + make_interval(days => $5))

-- name: listed
select id, name, role, created_at, expires_at, revoked_at, seen_at, duty from operators order by name, created_at

-- name: one
select id, name, role, created_at, expires_at, revoked_at, seen_at, duty from operators
 where name = $1 order by revoked_at is not null, created_at desc limit 1

-- name: held
select number from conversations where operator_id = $1 and owner = 'human' order by number limit $2

-- name: done
select action, details, at from audit where operator_id = $1 order by id desc limit $2

-- name: rotate
update operators set token_hash = $2, expires_at = now() + make_interval(days => $3)
 where name = $1 and revoked_at is null returning id

-- name: set_role
update operators set role = $2 where name = $1 and revoked_at is null returning id

-- name: set_duty
update operators set duty = $2, duty_at = now() where name = $1 and revoked_at is null returning id

-- name: record
insert into audit (operator_id, action, details) values (null, $1, $2)

-- name: colleagues
select id, name, role from operators
 where role = any ($1) and revoked_at is null and (expires_at is null or expires_at > now())
 order by name limit 500

-- name: revoke
update operators set revoked_at = now() where name = $1 and revoked_at is null returning id

-- name: by_token
select id, name, role, duty from operators
 where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())
