-- name: lock
select id from conversations where id = $1 for update

-- name: in_flight
select r.message_id from replies r join messages m on m.id = r.message_id
 where r.conversation_id = $1 and m.role = 'agent' and r.kind = 'answer' and r.state = 'sending'

-- name: standing
select standing($1)

-- name: lock_turn
-- The parts of one statement run in no fixed order, and a claim takes the turn before the ticket: so does this.
select id from turns where conversation_id = $1 and state in ('due', 'running') for update

-- name: lock_all
select id from conversations where id = any ($1) order by id for update

-- name: facts
select c.owner, c.epoch, c.status, c.operator_id, o.name as operator_name,
       c.last_seq, c.last_inbound_seq, c.answered_seq, k.id as ticket_id,
       (select i.number from conversations i where i.id = c.merged_into) as merged_into,
       (select m.channel from messages m where m.conversation_id = c.id and m.direction = 'inbound'
         order by m.seq desc limit 1) as channel,
       (select jsonb_build_object('why', h.why, 'by', d.name, 'owner', h.owner, 'operator', p.name,
                                  'ago', extract(epoch from now() - h.at))
          from hands h left join operators d on d.id = h.by left join operators p on p.id = h.operator_id
         where h.conversation_id = c.id and h.epoch = c.epoch) as latest,
       (select jsonb_build_object('why', h.why, 'by', d.name, 'owner', h.owner, 'operator', p.name,
                                  'ago', extract(epoch from now() - h.at))
          from hands h left join operators d on d.id = h.by left join operators p on p.id = h.operator_id
         where h.conversation_id = c.id and h.epoch > $2 order by h.epoch limit 1) as after_seen
  from conversations c
  join tickets k on k.conversation_id = c.id
  left join operators o on o.id = c.operator_id
 where c.id = $1

-- name: done_before
select request_hash, result from audit where operator_id = $1 and idempotency_key = $2

-- name: whose_doing
update hands set why = $3, by = $4 where conversation_id = $1 and epoch = $2

-- name: spoken
select seq, direction, role, content from messages where conversation_id = $1 order by seq desc limit $2

-- name: keep_brief
insert into releases (conversation_id, epoch, operator_id, brief) values ($1, $2, $3, $4)

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

-- name: unsaid
-- What a takeover withdrew was never said: what it answered is unanswered again.
with gone as (
    select min(m.answered_before) as seq from messages m
     where m.conversation_id = $1 and m.delivery_status = 'superseded'
       and m.seq > coalesce((select max(s.seq) from messages s
                              where s.conversation_id = $1 and s.direction = 'outbound'
                                and coalesce(s.delivery_status, '') not in ('superseded', 'cancelled')), 0)
), talk as (
    update conversations c set answered_seq = gone.seq from gone where c.id = $1 and gone.seq < c.answered_seq
)
update messages m set outcome = 'handed_over' from gone
 where m.conversation_id = $1 and m.direction = 'inbound' and m.seq > gone.seq and m.outcome = 'answered'

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
), before as (
    update messages m set answered_before = c.answered_seq from conversations c where m.id = $3 and c.id = $1
)
insert into replies (id, message_id, conversation_id, part, epoch, state, channel, body, due_at)
select r.id, $3, $1, r.ordinal - 1, $4, $5, $6, r.body, now() + make_interval(secs => $9)
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
), approved as (  -- a person has said this: it goes on its way
    update replies r set epoch = $3 from messages m
     where r.conversation_id = $1 and m.id = r.message_id and m.approved_by is not null and r.kind = 'answer' and r.state = 'queued'
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
-- What the customer wrote after it is still open, also when we hear of it later.
update conversations
   set last_seq = $3, last_message_at = now(),
       answered_seq = greatest(answered_seq, (
           select max(m.seq) from messages m left join inbound i on i.message_id = m.id
            where m.conversation_id = $2 and m.direction = 'inbound' and coalesce(i.sent_at, m.created_at) <= $9))
 where id = $2

-- name: snooze
update conversations set snoozed_until = $2 where id = $1 and snoozed_until is distinct from $2 returning true

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


-- name: newest_said
select m.id, coalesce(m.approved_by, m.operator_id) as speaker,
       coalesce((select max(r.epoch) from replies r where r.message_id = m.id and r.kind = 'answer'), -1) as epoch,
       array(select r.state from replies r where r.message_id = m.id and r.kind = 'answer') as states,
       d.id as draft_id, d.epoch as draft_epoch, d.answers_seq
  from messages m left join drafts d on d.message_id = m.id
 where m.conversation_id = $1 and m.direction = 'outbound'
   and coalesce(m.delivery_status, '') not in ('superseded', 'cancelled')
 order by m.seq desc limit 1

-- name: take_back
-- An answer under way did not know that this one would go: it is thought about anew.
with said as (
    update messages set delivery_status = 'cancelled' where id = $3 returning answered_before
), talk as (
    update conversations set answered_seq = coalesce((select answered_before from said), answered_seq) where id = $1
), owed as (
    update turns set state = 'due', due_at = now(), lease_holder = null, lease_until = null
     where conversation_id = $1 and state = 'running'
), shown as (
    update tickets k set status = case c.owner when 'human' then 'escalated' else 'processing' end, updated_at = now()
      from conversations c where k.id = $2 and c.id = $1
), gone as (
    update replies set state = 'cancelled', updated_at = now()
     where message_id = $3 and state = 'queued'
    returning id, message_id, conversation_id, kind, channel
)
insert into log (topic, key, type, payload)
select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
       jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                          'kind', r.kind, 'channel', r.channel, 'state', 'cancelled')
  from gone r

-- name: hold_again
-- An answer that was taken back waits for a decision again, if nothing came in between; else the messages are owed one.
with draft as (
    update drafts
       set state = case when $3::boolean then 'pending' else 'retired' end, message_id = null, approved_hash = null,
           operator_id = case when $3::boolean then null else operator_id end,
           decided_at = case when $3::boolean then null else decided_at end,
           reason = case when $3::boolean then null else 'taken_back' end
     where id = $1
    returning answers_seq
)
update messages m set outcome = case when $3::boolean then 'drafted' end
  from conversations c, draft d
 where c.id = $2 and m.conversation_id = $2 and m.direction = 'inbound' and m.seq > c.answered_seq
   and m.seq <= d.answers_seq and m.outcome = 'answered'
