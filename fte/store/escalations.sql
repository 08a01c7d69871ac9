-- name: tell
-- As when the AI hands over itself: the customer has an answer, and nobody is late with one.
with said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, delivery_status, answered_before, created_at)
    select $1, $2, $3, $4, 'outbound', 'agent', $5, $6, c.answered_seq, clock_timestamp()
      from conversations c where c.id = $2
), delivery as (
    insert into replies (id, message_id, conversation_id, part, epoch, state, channel, body)
    select r.id, $1, $2, r.ordinal - 1, $7, $6, $4, r.body
      from unnest($8::uuid[], $9::text[]) with ordinality as r (id, body, ordinal)
)
update conversations set last_seq = $3, answered_seq = last_inbound_seq, last_message_at = now() where id = $2

-- name: hand_over
with shown as (
    update tickets set priority = case when priority_set then priority else coalesce($6, priority) end, updated_at = now()
     where id = $2
)
update conversations
   set escalated_at = now(), escalated_to = 'support', escalation_reason = $3, escalation_urgency = $4, escalation_brief = $5
 where id = $1
returning number
