-- name: place
select created_at, id from drafts where id = $1

-- name: count
select count(*) from drafts where state = 'pending'

-- name: ages
select channel, count(*), extract(epoch from now() - min(created_at))::float8 as oldest from drafts where state = 'pending' group by 1

-- name: waiting
select id from drafts
 where state = 'pending' and ($1::timestamptz is null or (created_at, id) > ($1, $2::uuid))
 order by created_at, id limit $3

-- name: views
select d.id, d.conversation_id, c.number,
       coalesce(nullif(c.name, ''), case when c.verified then nullif(cu.name, '') end, cu.email, cu.phone, '?') as customer,
       d.channel, k.subject, k.category, k.priority, d.body, d.held_because, d.confidence::float8 as confidence,
       d.threshold::float8 as threshold, d.hint, d.state, o.name as operator, d.reason, d.created_at, d.decided_at,
       d.epoch, d.answers_seq, c.last_seq,
       (select min(m.created_at) from messages m
         where m.conversation_id = c.id and m.direction = 'inbound' and m.seq > c.answered_seq) as waiting_since,
       (select jsonb_build_object('id', r.id, 'attempt', r.attempt, 'outcome', r.outcome, 'model', r.model,
                                  'instructions_version', r.instructions_version, 'trace', r.trace, 'input_tokens', r.input_tokens,
                                  'output_tokens', r.output_tokens, 'latency_ms', r.latency_ms, 'error', r.error,
                                  'created_at', r.created_at)
          from runs r where r.id = d.run_id) as run,
       (select coalesce(jsonb_agg(jsonb_build_object(
                   'id', h.id, 'seq', h.seq, 'channel', h.channel, 'direction', h.direction, 'role', h.role,
                   'author', case h.role when 'customer' then coalesce(nullif(c.name, ''), h.sender, cu.email, cu.phone, 'Customer')
                                         when 'operator' then coalesce(h.operator, 'Operator') when 'agent' then 'AI' else 'System' end,
                   'content', left(h.content, $3), 'sentiment', h.sentiment, 'delivery_status', h.delivery_status, 'outcome', h.outcome,
                   'reason', h.reason, 'run_id', h.run_id, 'created_at', h.created_at) order by h.seq), '[]')
          from (select m.*, mo.name as operator
                  from messages m left join operators mo on mo.id = m.operator_id
                 where m.conversation_id = c.id and m.direction <> 'note' and m.seq <= greatest(d.answers_seq, c.last_seq)
                 order by m.seq desc limit $2) h) as messages
  from unnest($1::uuid[]) with ordinality as wanted (id, place)
  join drafts d on d.id = wanted.id
  join conversations c on c.id = d.conversation_id
  join customers cu on cu.id = c.customer_id
  join lateral (select subject, category, priority from tickets
                 where conversation_id = c.id order by created_at desc limit 1) k on true
  left join operators o on o.id = d.operator_id
 order by wanted.place

-- name: conversation_of
select conversation_id from drafts where id = $1

-- name: lock
-- The conversation's lock is held, so the draft does not change; it is locked all the same, after the conversation.
select d.id, d.state, d.epoch, d.answers_seq, d.body, d.reason, d.decided_at, d.created_at, d.channel, d.run_id,
       (select name from operators where id = d.operator_id) as operator,
       (select number from conversations where id = d.conversation_id) as number,
       (select string_agg(m.content, E'\n' order by m.seq) from messages m
         where m.conversation_id = d.conversation_id and m.direction = 'inbound' and m.outcome = 'drafted') as asked,
       (select r.trace -> 'passages' from runs r where r.id = d.run_id) as passages
  from drafts d where d.id = $1 for update of d

-- name: decide
update drafts set state = $2, operator_id = $3, reason = $4, approved_hash = $5, decided_at = now() where id = $1

-- name: send
with said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, run_id, approved_by, delivery_status,
                          answered_before)
    select $1, $2, $3, $4, 'outbound', 'agent', $5, $6, $7, $8, c.answered_seq from conversations c where c.id = $2
), bound as (
    update drafts set message_id = $1 where id = $9
), talk as (
    update conversations set last_seq = $3, answered_seq = greatest(answered_seq, $12), last_message_at = now() where id = $2
), shown as (
    update tickets set status = 'waiting_customer', updated_at = now() where id = $11
), settled as (
    update messages set outcome = 'answered'
     where conversation_id = $2 and direction = 'inbound' and seq <= $12 and outcome = 'drafted'
)
insert into replies (id, message_id, conversation_id, part, epoch, state, channel, body, due_at)
select r.id, $1, $2, r.ordinal - 1, $10, $8, $4, r.body, now() + make_interval(secs => $13)
  from unnest($14::uuid[], $15::text[]) with ordinality as r (id, body, ordinal)

-- name: hand_over
with talk as (
    update conversations
       set owner = 'human', operator_id = null, status = 'escalated', epoch = $3, escalated_at = now(),
           escalated_to = 'support', escalation_reason = $4, escalation_urgency = 'normal', escalation_brief = $5
     where id = $1
), waiting as (
    update messages set outcome = 'handed_over'
     where conversation_id = $1 and direction = 'inbound' and outcome = 'drafted'
)
update tickets set status = 'escalated', updated_at = now() where id = $2

-- name: owe_again
update messages set outcome = null where conversation_id = $1 and direction = 'inbound' and outcome = 'drafted'
