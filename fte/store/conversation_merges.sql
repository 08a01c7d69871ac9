-- name: open_merge
select id, kept, before from conversation_merges where merged = $1 and undone_at is null

-- name: side
select c.number, c.customer_id, c.verified, c.owner, c.epoch, c.status, c.operator_id, o.name as operator_name,
       c.last_seq, c.last_inbound_seq, c.answered_seq, c.ended_at, c.resolution_type, c.waiting_since,
       (select i.number from conversations i where i.id = c.merged_into) as merged_into,
       (select case when bool_and(m.channel = 'web_form') then min(m.sender) end
          from messages m where m.conversation_id = c.id and m.direction = 'inbound') as claimed,
       exists (select from link_codes l where l.conversation_id = c.id and l.used_at is null and l.expires_at > now()) as asked,
       k.id as ticket_id, k.status as ticket_status, k.resolved_at, k.resolution, k.resolution_notes
  from conversations c
  join lateral (select * from tickets where conversation_id = c.id order by created_at desc limit 1) k on true
  left join operators o on o.id = c.operator_id
 where c.id = $1

-- name: lock_turn
select id from turns where conversation_id = $1 and state in ('due', 'running') for update

-- name: merge_in
-- The customer's next message goes to the conversation that was active last: that is the kept one from now on. Whom
-- they waited for in the merged one, they wait for in the kept one.
with talk as (
    update conversations
       set merged_into = $2, owner = 'ai', operator_id = null, epoch = $3, status = 'resolved', ended_at = now(),
           resolution_type = 'person', answered_seq = last_inbound_seq
     where id = $1
    returning last_message_at
), kept as (
    update conversations k
       set last_message_at = greatest(k.last_message_at, talk.last_message_at) + interval '1 microsecond',
           waiting_since = least(k.waiting_since, $6)
      from talk where k.id = $2
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id = $1 and state in ('due', 'running')
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
update tickets set status = 'resolved', resolved_at = now(), updated_at = now(), resolution = 'duplicate', resolution_notes = $5
 where id = $4

-- name: record
insert into conversation_merges (id, kept, merged, operator_id, before, merged_at)
values ($1, $2, $3, $4, $5, clock_timestamp())

-- name: at_work
select exists (select from operators where id = $1 and revoked_at is null and (expires_at is null or expires_at > now()))

-- name: part
with talk as (
    update conversations
       set merged_into = null, owner = $3, operator_id = $4, epoch = $5, status = $6,
           ended_at = ($7::jsonb ->> 'ended_at')::timestamptz, resolution_type = $7::jsonb ->> 'resolution_type',
           answered_seq = ($7::jsonb ->> 'answered_seq')::int, waiting_since = ($7::jsonb ->> 'waiting_since')::timestamptz
     where id = $1
), undone as (
    update conversation_merges set undone_at = clock_timestamp(), undone_by = $10 where id = $9
)
update tickets
   set status = $8, resolved_at = ($7::jsonb ->> 'resolved_at')::timestamptz, resolution = $7::jsonb ->> 'resolution',
       resolution_notes = $7::jsonb ->> 'resolution_notes', updated_at = now()
 where id = $2

-- name: recount
-- The kept one as far as its own messages go: whoever waited in the other one waits there again.
update conversations c
   set last_message_at = coalesce((select max(m.created_at) from messages m
                                    where m.conversation_id = c.id and m.direction <> 'note'), c.last_message_at),
       waiting_since = case when c.waiting_since is not null then
           (select min(m.created_at) from messages m
             where m.conversation_id = c.id and m.direction = 'inbound' and m.outcome is distinct from 'suppressed'
               and m.seq > coalesce((select max(case a.role when 'operator' then a.seq else least(a.seq, c.answered_seq) end)
                                       from messages a where a.conversation_id = c.id and answers(a)), 0)) end
 where c.id = $1
