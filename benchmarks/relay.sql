-- name: fill
-- Events as they are emitted, topics in turn, each key's in order. One call is one transaction.
insert into log (topic, key, type, payload)
select ($1::text[])[g % cardinality($1::text[]) + 1],
       '0192f0c4-7a31-7000-8000-' || lpad(to_hex(g * 7919 % $4), 12, '0'),
       (array['message.received', 'turn.due', 'turn.started', 'reply.queued', 'turn.finished'])[g % 5 + 1],
       jsonb_build_object(
           'conversation_id', '0192f0c4-7a31-7000-8000-' || lpad(to_hex(g * 7919 % $4), 12, '0'),
           'ticket_id', '0192f0c4-7a32-7000-8000-' || lpad(to_hex(g * 7919 % $4), 12, '0'),
           'message_id', gen_random_uuid(), 'seq', g / $4 + 1, 'channel', 'web_form', 'owner', 'ai', 'epoch', 0,
           'outcome', 'answered', 'reason', null, 'failed', false, 'latency_ms', 412, 'number', 100000 + g)
  from generate_series($2::bigint, $3::bigint - 1) g
