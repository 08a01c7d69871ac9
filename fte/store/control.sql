-- name: lock
select id from conversations where id = $1 for update

-- name: lock_all
select id from conversations where id = any ($1) order by id for update

-- name: standing
select standing($1)

-- name: lock_turn
-- The parts of one statement run in no fixed order, and a claim takes the turn before the ticket: so does this.
select id from turns where conversation_id = $1 and state in ('due', 'running') for update

-- name: facts
select c.owner, c.epoch, c.status, c.operator_id, o.name as operator_name,
       c.last_seq, c.last_inbound_seq, c.answered_seq, k.id as ticket_id,
       (select i.number from conversations i where i.id = c.merged_into) as merged_into,
       (select m.channel from messages m where m.conversation_id = c.id and m.direction = 'inbound'
         order by m.seq desc limit 1) as channel
  from conversations c
  join tickets k on k.conversation_id = c.id
  left join operators o on o.id = c.operator_id
 where c.id = $1

-- name: done_before
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: record
with seen as (
    update mentions set seen_at = now() where operator_id = $1 and conversation_id = $3 and seen_at is null
)
insert into audit (operator_id, action, conversation_id, idempotency_key, request_hash, details, result)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: take_over
with talk as (
    update conversations set owner = 'human', operator_id = $3, epoch = $4, status = $5, ended_at = null where id = $1
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id = $1 and state in ('due', 'running')
), shown as (
    update tickets set status = 'escalated', updated_at = now(), resolved_at = null where id = $2
), waiting as (
    update messages set outcome = 'handed_over'
     where conversation_id = $1 and direction = 'inbound' and outcome is null
), withdrawn as (
    update replies r set state = 'superseded', updated_at = now()
      from messages m
     where m.id = r.message_id and m.conversation_id = $1 and m.role = 'agent' and r.kind = 'answer' and r.state in ('draft', 'queued')
    returning r.id, r.message_id, r.conversation_id, r.kind, r.channel
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
           jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                              'kind', r.kind, 'channel', r.channel, 'state', 'superseded')
      from withdrawn r
), marked as (
    update messages set delivery_status = 'superseded' where id in (select message_id from withdrawn)
)
select r.message_id
  from replies r join messages m on m.id = r.message_id
 where m.conversation_id = $1 and m.role = 'agent' and r.kind = 'answer' and r.state = 'sending'

-- name: colleagues
select id, name from operators where revoked_at is null and (expires_at is null or expires_at > now())

-- name: mention
insert into mentions (message_id, operator_id, conversation_id) select $1, id, $2 from unnest($3::uuid[]) as named (id)

-- name: say
with said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, operator_id, delivery_status)
    values ($1, $2, $3, $4, $5, 'operator', $6, $7, $8)
)
update conversations
   set last_seq = $3, last_message_at = case when $5 = 'note' then last_message_at else now() end
 where id = $2

-- name: answered
with talk as (
    update conversations set answered_seq = last_inbound_seq where id = $1
), shown as (
    update tickets set status = 'waiting_customer', updated_at = now() where id = $2
)
insert into replies (id, message_id, conversation_id, part, epoch, state, channel, body)
select r.id, $3, $1, r.ordinal - 1, $4, $5, $6, r.body
  from unnest($7::uuid[], $8::text[]) with ordinality as r (id, body, ordinal)

-- name: release
with talk as (
    update conversations set owner = 'ai', operator_id = null, epoch = $3, status = $4 where id = $1
)
update tickets set status = case when $4 = 'resolved' then 'resolved' when status = 'escalated' then 'open' else status end,
                   updated_at = now()
 where id = $2

-- name: owe_again
update messages m set outcome = null
  from conversations c
 where c.id = $1 and m.conversation_id = $1 and m.direction = 'inbound' and m.seq > c.answered_seq

-- name: resolve
with talk as (
    update conversations
       set owner = 'ai', operator_id = null, epoch = $3, status = 'resolved', ended_at = now(),
           resolution_type = case owner when 'human' then 'person' else 'ai' end, answered_seq = last_inbound_seq
     where id = $1
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id = $1 and state in ('due', 'running')
), waiting as (
    update messages set outcome = 'suppressed'
     where conversation_id = $1 and direction = 'inbound' and outcome is null
)
update tickets set status = 'resolved', resolved_at = now(), updated_at = now(), resolution_notes = $4, resolution = $5
 where id = $2

-- name: from_elsewhere
insert into inbound (channel, account, provider_id, ticket_id, disposition, sent_at)
select $1, $2, $3, k.id, 'colleague', $5
  from tickets k where k.conversation_id = $4
 order by k.created_at desc limit 1
on conflict do nothing
returning ticket_id

-- name: say_elsewhere
with said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, delivery_status, channel_message_id)
    values ($1, $2, $3, $4, 'outbound', 'operator', $5, 'sent', $6)
), delivery as (
    insert into replies (id, message_id, conversation_id, epoch, state, channel, provider_id)
    values ($1, $1, $2, $7, 'sent', $4, $6)
), shown as (
    update tickets set status = 'waiting_customer', updated_at = now() where id = $8
)
update conversations set last_seq = $3, answered_seq = last_inbound_seq, last_message_at = now() where id = $2

-- name: send_again
with undelivered as (
    select m.id from messages m
     where m.conversation_id = $1 and m.direction = 'outbound' and m.delivery_status in ('failed', 'unknown')
     order by m.seq desc limit 1
), shown as (
    update messages m set delivery_status = 'queued' from undelivered u where m.id = u.id
)
update replies r
   set state = 'queued', error = null, window_closed = false, draft_id = null, provider_id = null, attempts = 0, epoch = $2,
       due_at = now(), queued_at = now(), updated_at = now()
  from undelivered u
 where r.message_id = u.id and r.kind = 'answer' and r.state in ('failed', 'unknown', 'cancelled')
returning r.message_id, r.channel
