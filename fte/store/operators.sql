-- name: add
insert into operators (id, name, role, token_hash, expires_at)
values ($1, $2, $3, $4, now() + make_interval(days => $5))

-- name: listed
select id, name, role, created_at, expires_at, revoked_at from operators order by name

-- name: colleagues
select id, name, role from operators
 where role = any ($1) and revoked_at is null and (expires_at is null or expires_at > now())
 order by name limit 500

-- name: revoke
update operators set revoked_at = now() where name = $1 and revoked_at is null returning id

-- name: by_token
select id, name, role from operators
 where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())
