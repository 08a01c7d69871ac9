-- name: all
select channel, config from channel_configs order by array_position(array['email', 'whatsapp', 'web_form'], channel::text)

-- name: config
select config from channel_configs where channel = $1

-- name: lock
select config from channel_configs where channel = $1 for update

-- name: set
update channel_configs set config = $2 where channel = $1

-- name: done_before
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: record
insert into audit (operator_id, action, idempotency_key, request_hash, details, result)
values ($1, 'configure', $2, $3, $4, $5)
