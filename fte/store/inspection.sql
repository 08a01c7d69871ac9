-- name: by_number
select id from conversations where number = $1

-- name: by_id
select id from conversations where id = $1
union all
select conversation_id from tickets where id = $1
limit 1

-- name: facts
select k.id as ticket_id, k.number as ticket_number, c.epoch, c.operator_id as holder, k.created_at, k.updated_at, k.resolved_at,
       k.resolution, k.resolution_notes, p.hours, p.deadlines
  from conversations c
  cross join deadline_policy p
  join lateral (select * from tickets where conversation_id = c.id order by created_at desc limit 1) k on true
 where c.id = $1

-- name: events
select * from (
    select position, id, type, at, payload from log
     where topic = 'fte.conversations' and payload ->> 'conversation_id' = $1 and replay is null
       and type <> 'presence.changed'
     order by position desc limit $2
) newest order by position

-- name: deliveries
select * from (
    select id, message_id, kind, part, channel, state, attempts, error, queued_at, updated_at
      from replies where conversation_id = $1
     order by queued_at desc, part desc limit $2
) newest order by queued_at, part

-- name: audit
select * from (
    select a.id, a.action, o.name as operator, a.details, a.at
      from audit a left join operators o on o.id = a.operator_id
     where a.conversation_id = $1
     order by a.id desc limit $2
) newest order by id

-- name: runs
select * from (
    select id, attempt, outcome, model, instructions_version, trace, input_tokens, output_tokens, latency_ms, error, created_at
      from runs where conversation_id = $1
     order by created_at desc limit $2
) newest order by created_at

-- name: operators
select id, name from operators where id = any ($1)
