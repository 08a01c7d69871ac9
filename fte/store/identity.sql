-- name: known
select i.customer_id, i.verified from customer_identifiers i where i.identifier_type = $1 and i.identifier_value = $2

-- name: whose
select c.customer_id, c.verified from conversations c where c.id = $1

-- name: joined_on_a_claim
select not verified and exists (select from conversations i where i.merged_into = c.id) from conversations c where c.id = $1

-- name: asked_lately
select count(*) from link_codes
 where created_at > now() - interval '24 hours'
   and ((identifier_type = $1 and identifier_value = $2) or conversation_id = $3)

-- name: numbers_open
-- WhatsApp takes free text for 24 hours after a number's last message; some of them are left for sending.
select distinct m.sender, i.account
  from conversations c join messages m on m.conversation_id = c.id join inbound i on i.message_id = m.id
 where c.customer_id = $1 and m.channel = 'whatsapp' and m.direction = 'inbound' and m.sender is not null
   and i.sent_at > now() - interval '23 hours 30 minutes'

-- name: end_earlier
update link_codes set expires_at = least(expires_at, now()) where conversation_id = $1 and used_at is null

-- name: ask
with code as (
    insert into link_codes (id, conversation_id, identifier_type, identifier_value, code_hash, operator_id, expires_at, read_seq)
    values ($1, $2, $3, $4, $5, $6, now() + make_interval(mins => $7), $8)
)
insert into replies (id, message_id, conversation_id, kind, part, epoch, state, channel, recipient, body, account)
values ($1, $9, $2, 'code', 0, $10, 'queued', $3, $11, $12, $13)

-- name: open_code
-- In a proven conversation, what came over the ticket's page proves nothing: it may be anybody who has its address.
select l.id, l.conversation_id, l.identifier_type, l.identifier_value, l.code_hash, l.operator_id, l.attempts, l.read_seq,
       c.customer_id, c.verified, c.name, i.customer_id as owner, coalesce(i.verified, false) as owned,
       coalesce((select jsonb_agg(jsonb_build_array(m.seq, m.content) order by m.seq) from messages m
                  where m.conversation_id = c.id and m.direction = 'inbound' and m.seq > l.read_seq
                    and m.created_at <= l.expires_at and (m.channel <> 'web_form' or not c.verified)), '[]') as messages
  from link_codes l
  join conversations c on c.id = l.conversation_id
  left join customer_identifiers i on i.identifier_type = l.identifier_type and i.identifier_value = l.identifier_value
 where l.conversation_id = $1 and l.used_at is null and l.attempts < $2
 order by l.created_at desc limit 1

-- name: lock_code
select id from link_codes where id = $1 for update

-- name: settle
update link_codes set attempts = $4, read_seq = $5, used_at = case when $6::boolean then now() end
 where id = $1 and used_at is null and attempts = $2 and read_seq = $3
returning id

-- name: unread
select distinct l.conversation_id
  from link_codes l join conversations c on c.id = l.conversation_id
 where l.used_at is null and l.attempts < $1 and c.last_inbound_seq > l.read_seq
   and l.created_at > now() - interval '1 hour' and c.last_message_at >= l.created_at
 limit 100

-- name: beside
-- What else of the owner was proven, and how much there is beside this identifier.
select count(*) as others, count(*) filter (where verified) as proven
  from customer_identifiers
 where customer_id = $1 and not (identifier_type = $2 and identifier_value = $3)

-- name: give
insert into customer_identifiers as known (customer_id, identifier_type, identifier_value, verified)
values ($1, $2, $3, true)
on conflict (identifier_type, identifier_value)
    do update set customer_id = excluded.customer_id, verified = true, seen_at = now()

-- name: add_customer
insert into customers (id, email, phone, name, proven)
values ($1, case when $2 = 'email' then $3 end, case when $2 <> 'email' then $3 end, $4, true)

-- name: name_owner
update customers set proven = true, name = $2 where id = $1 and not proven

-- name: prove_conversation
with talk as (
    update conversations set customer_id = $2, verified = true where id = $1
)
update tickets set customer_id = $2 where conversation_id = $1

-- name: say_proven
with talk as (
    update conversations set last_seq = last_seq + 1 where id = $1 returning last_seq, initial_channel
), said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content)
    select $2, $1, last_seq, initial_channel, 'note', 'system', $3 from talk
), audited as (
    insert into audit (operator_id, action, conversation_id, details) values ($4, 'proven', $1, $5)
), hidden as (
    update replies set body = 'The code was used.' where id = $6 and state not in ('queued', 'sending')
)
insert into log (topic, key, type, payload)
select 'fte.conversations', $1::text, 'customer.proven',
       jsonb_build_object('conversation_id', $1::text, 'seq', last_seq) from talk
