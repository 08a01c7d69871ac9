-- name: fill
-- Of every twenty conversations one is with people, three are open, sixteen are resolved.
create function pg_temp.key(kind integer, g bigint) returns uuid language sql immutable as $$
    select (to_char(kind, 'FM00000000') || '-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid
$$;

insert into customers (id, email, name, created_at)
select pg_temp.key(1, g), 'customer' || g || '@example.com', 'Customer ' || g, now() - interval '2 years'
  from generate_series(1, {conversations} / 2) g;

insert into customer_identifiers (customer_id, identifier_type, identifier_value)
select pg_temp.key(1, g), 'email', 'customer' || g || '@example.com' from generate_series(1, {conversations} / 2) g;

insert into operators (id, name, role, token_hash, revoked_at)
select pg_temp.key(9, g), 'Operator ' || g, 'agent', sha256(('operator' || g)::bytea), case when g > 20 then now() end
  from generate_series(1, 400) g;

insert into conversations (id, customer_id, initial_channel, status, owner, epoch, operator_id, last_seq,
                           last_inbound_seq, answered_seq, sentiment_score, escalation_reason, escalation_urgency,
                           escalated_at, started_at, last_message_at, ended_at)
select pg_temp.key(2, g), pg_temp.key(1, (g + 1) / 2), 'web_form',
       case when g % 20 = 1 then 'escalated' when g % 20 <= 4 and g % 20 > 1 then 'open' else 'resolved' end,
       case when g % 20 = 1 then 'human' else 'ai' end, (g % 20 = 1)::int,
       case when g % 40 = 1 then pg_temp.key(9, g % 20 + 1) end, 4, 3, 3, 0.5,
       case when g % 20 = 1 then 'human_request' end, case when g % 20 = 1 then 'normal' end,
       case when g % 20 = 1 then at end, at, at, case when g % 20 not between 1 and 4 then at end
  from (select g, now() - interval '2 years' * (1 - g::float8 / {conversations}) - interval '1 minute' as at
          from generate_series(1, {conversations}) g) times;

insert into hands (conversation_id, epoch, owner, operator_id, at, why)
select c.id, e, case e when 1 then 'human' else 'ai' end, case e when 1 then pg_temp.key(9, 2) end, c.last_message_at, 'take_over'
  from conversations c cross join generate_series(1, 2) e;

insert into releases (conversation_id, epoch, brief)
select c.id, 2, '{"lines": ["Our colleague wrote: it is done."]}' from conversations c;

insert into tickets (id, public_hash, conversation_id, customer_id, source_channel, subject, category, status,
                     created_at, updated_at)
select replace(c.id::text, '00000002-', '00000003-')::uuid, sha256(('ticket' || c.id)::bytea), c.id, c.customer_id,
       'web_form', 'A question about my account', 'technical',
       case c.status when 'open' then 'waiting_customer' else c.status end, c.started_at, c.last_message_at
  from conversations c;

insert into audit (operator_id, action, conversation_id, at)
select pg_temp.key(9, 2), did, c.id, c.last_message_at
  from conversations c cross join unnest(array['take_over', 'resolve']) did where c.status = 'resolved';

insert into turns (id, conversation_id, ticket_id, channel, state, due_at, attempts, created_at, finished_at)
select pg_temp.key(4, g * 2 + n), pg_temp.key(2, g), pg_temp.key(3, g), 'web_form', 'done', c.started_at, 1,
       c.started_at, c.started_at
  from generate_series(1, {conversations}) g cross join generate_series(0, 1) n
  join conversations c on c.id = pg_temp.key(2, g);

insert into runs (id, turn_id, conversation_id, attempt, outcome, model, instructions_version, trace, created_at)
select replace(t.id::text, '00000004-', '00000005-')::uuid, t.id, t.conversation_id, 1, 'answered', 'offline', '1',
       jsonb_build_object('passages', '[]'::jsonb, 'verdicts', '[]'::jsonb, 'tools', jsonb_build_array(
           jsonb_build_object('name', 'search_knowledge_base', 'arguments', '{}'::jsonb,
                              'result', repeat('a passage of the help pages ', 12)))), t.created_at
  from turns t;

insert into messages (id, conversation_id, seq, channel, direction, role, content, run_id, outcome, channel_message_id,
                      delivery_status, created_at)
select pg_temp.key(6, g * 4 + n), pg_temp.key(2, g), n + 1, 'web_form',
       case n % 2 when 0 then 'inbound' else 'outbound' end, case n % 2 when 0 then 'customer' else 'agent' end,
       'This is message ' || n || ' of conversation ' || g || ', ' || repeat('with some words in it ', 8),
       case n % 2 when 1 then pg_temp.key(5, g * 2 + n / 2) end, case n % 2 when 0 then 'answered' end,
       case n % 2 when 0 then 'provider-' || g || '-' || n end, case n % 2 when 1 then 'sent' end, c.started_at
  from generate_series(1, {conversations}) g cross join generate_series(0, 3) n
  join conversations c on c.id = pg_temp.key(2, g);

insert into attachments (id, message_id, ordinal, name, media_type, size, state, content)
select pg_temp.key(10, g * 2 + n), pg_temp.key(6, g * 4), n, 'file-' || n || '.png', 'image/png', 4, 'stored', '\x89504e47'
  from generate_series(1, {conversations}, 5) g cross join generate_series(0, 1) n;

insert into inbound (channel, account, provider_id, message_id, ticket_id, received_at)
select m.channel, 'form', m.channel_message_id, m.id, replace(m.conversation_id::text, '00000002-', '00000003-')::uuid,
       m.created_at
  from messages m where m.direction = 'inbound';

insert into replies (id, message_id, conversation_id, turn_id, epoch, state, channel, updated_at)
select m.id, m.id, m.conversation_id, pg_temp.key(4, ('x' || right(m.run_id::text, 12))::bit(48)::bigint), 0, 'sent', m.channel, m.created_at
  from messages m where m.direction = 'outbound';

-- Six events for each message and its answer; those of the newest third are still kept.
insert into log (tx, topic, key, type, payload, at)
select (3 + least(700, (g * 700 / ({conversations} * 4))))::text::xid8,
       (array['fte.conversations', 'fte.channels.webform.inbound', 'fte.tickets.incoming', 'fte.conversations',
              'fte.conversations', 'fte.metrics'])[g % 6 + 1],
       pg_temp.key(2, {conversations} * 2 / 3 + g / 12)::text,
       (array['message.received', 'message.received', 'turn.due', 'turn.started', 'reply.sent', 'turn.finished'])[g % 6 + 1],
       jsonb_build_object('conversation_id', pg_temp.key(2, {conversations} * 2 / 3 + g / 12), 'seq', g % 4 + 1,
                          'channel', 'web_form', 'ticket_id', pg_temp.key(3, {conversations} * 2 / 3 + g / 12)),
       now() - interval '14 days' * (1 - g::float8 / ({conversations} * 4))
  from generate_series(1, {conversations} * 4) g;
