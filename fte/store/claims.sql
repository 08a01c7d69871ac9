-- name: lost
select c.id
  from conversations c
  join operators o on o.id = c.operator_id
  left join lateral (select at from hands where conversation_id = c.id and epoch = c.epoch limit 1) h on true
 where c.owner = 'human' and ($2::uuid is null or o.id = $2)
   and (o.revoked_at is not null or o.expires_at <= now() or o.role = 'observer'
        or greatest(o.seen_at, h.at) < now() - make_interval(secs => $1))
 order by c.id limit $3

-- name: lock
select id from conversations where id = $1 for update

-- name: facts
select c.owner, c.epoch, c.status, c.operator_id, o.name as operator_name, c.last_seq, c.last_inbound_seq, c.answered_seq,
       c.number, c.escalation_brief, k.id as ticket_id, k.source_channel as channel, h.at as held_since, now() as now,
       o.name, o.role, o.duty, o.duty_at, o.seen_at, o.revoked_at is not null as revoked, o.expires_at as ends_at
  from conversations c
  join lateral (select id, source_channel from tickets where conversation_id = c.id order by created_at desc limit 1) k on true
  join operators o on o.id = c.operator_id
  left join hands h on h.conversation_id = c.id and h.epoch = c.epoch
 where c.id = $1

-- name: lock_turn
select id from turns where conversation_id = $1 and state in ('due', 'running') for update

-- name: to_team
with talk as (
    update conversations
       set operator_id = null, epoch = $3, status = 'escalated', escalated_at = now(), escalated_to = 'support',
           escalation_reason = $4, escalation_urgency = $5, escalation_brief = $6
     where id = $1
)
update tickets set status = 'escalated', updated_at = now() where id = $2

-- name: to_ai
with talk as (
    update conversations set owner = 'ai', operator_id = null, epoch = $3, status = 'open' where id = $1
)
update tickets set status = case when status = 'escalated' then 'open' else status end, updated_at = now() where id = $2

-- name: whose_doing
update hands set why = $3 where conversation_id = $1 and epoch = $2

-- name: record
insert into audit (operator_id, action, conversation_id, details, result) values (null, 'lose_claim', $1, $2, $3)

-- name: breaches
select count(*) from breaches
