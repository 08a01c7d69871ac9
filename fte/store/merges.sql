-- name: lock_identifiers
select id from customer_identifiers where customer_id = any ($1) order by id for update

-- name: lock_customers
-- Not against new rows that refer to them: those take the weaker lock only.
select id, name, email, phone, proven from customers where id = any ($1) order by id for no key update

-- name: lock_conversations
select id from conversations where customer_id = any ($1) order by id for update

-- name: done_before
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: merged_away
select kept from customer_merges
 where merged = any ($1) and undone_at is null limit 1

-- name: move
with talks as (
    update conversations set customer_id = $1 where customer_id = $2 returning id
), cases as (
    update tickets set customer_id = $1
     where conversation_id in (select id from conversations where customer_id = $2) returning id
), known as (
    update customer_identifiers set customer_id = $1 where customer_id = $2 returning id
)
select coalesce((select jsonb_agg(id) from known), '[]') as identifiers,
       coalesce((select jsonb_agg(id) from talks), '[]') as conversations,
       coalesce((select jsonb_agg(id) from cases), '[]') as tickets

-- name: fill
update customers k
   set email = coalesce(k.email, m.email), phone = coalesce(k.phone, m.phone),
       name = coalesce(k.name, case when m.proven then m.name end)
  from customers m where k.id = $1 and m.id = $2

-- name: record
insert into customer_merges (id, kept, merged, proof, operator_id, moved) values ($1, $2, $3, $4, $5, $6)

-- name: told
insert into log (topic, key, type, payload)
select 'fte.conversations', id::text, $2, jsonb_build_object('conversation_id', id)
  from unnest($1::uuid[]) as moved (id)

-- name: audited
insert into audit (operator_id, action, idempotency_key, request_hash, details, result) values ($1, $2, $3, $4, $5, $6)

-- name: one
select id, kept, merged, moved, merged_at, undone_at from customer_merges where id = $1

-- name: built_upon
select 1 from customer_merges
 where merged = $1 and merged_at >= $2 and id <> $3 and undone_at is null limit 1

-- name: move_back
with talks as (
    update conversations set customer_id = $2 where id = any ($4) and customer_id = $1 returning id
), cases as (
    update tickets set customer_id = $2 where id = any ($5) and customer_id = $1 returning id
), known as (
    update customer_identifiers set customer_id = $2 where id = any ($3) and customer_id = $1 returning id
)
select (select count(*) from known) as identifiers,
       (select count(*) from cases) as tickets,
       coalesce((select array_agg(id) from talks), '{}') as conversations

-- name: unfill
update customers
   set email = case when 'email' = any ($2) then null else email end,
       phone = case when 'phone' = any ($2) then null else phone end,
       name = case when 'name' = any ($2) then null else name end
 where id = $1

-- name: undone
update customer_merges set undone_at = now(), undone_by = $2 where id = $1

-- name: owners
select identifier_type, identifier_value, customer_id from customer_identifiers where customer_id = any ($1)

-- name: written_since
select distinct m.conversation_id, c.customer_id, c.started_at >= $2 as begun_since, m.channel, m.sender
  from conversations c join messages m on m.conversation_id = c.id
 where c.customer_id = any ($1) and c.verified and c.last_message_at >= $2
   and m.direction = 'inbound' and m.created_at >= $2 and m.sender is not null

-- name: hand_over
with talks as (
    update conversations set customer_id = $2 where id = any ($1)
)
update tickets set customer_id = $2 where conversation_id = any ($1)

-- name: close_to_both
update conversations set verified = false where id = any ($1)
