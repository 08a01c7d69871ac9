-- name: claim
with picked as (
    select id from turns
     where state = 'due' and due_at <= now()
     order by due_at limit $1 for update skip locked
), taken as (
    update turns t
       set state = 'running', attempts = t.attempts + 1, lease_holder = $2,
           lease_until = now() + make_interval(secs => $3)
      from picked where t.id = picked.id
    returning t.id, t.ticket_id, t.conversation_id, t.channel
), shown as (
    update tickets k set status = 'processing', updated_at = now()
      from taken where k.id = taken.ticket_id and k.status = 'open'
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.conversations', id::text, 'turn.started',
           jsonb_build_object('conversation_id', conversation_id, 'ticket_id', ticket_id, 'turn_id', id, 'channel', channel)
      from taken
)
select id from taken

-- name: renew
update turns t set lease_until = now() + make_interval(secs => $4)
  from unnest($1::uuid[], $2::uuid[], $3::int[]) as mine (id, holder, attempts)
 where t.id = mine.id and t.lease_holder = mine.holder and t.attempts = mine.attempts and t.state = 'running'

-- name: load
select t.id, t.conversation_id, t.ticket_id, t.channel, t.attempts, t.discards, t.hint, c.epoch, c.verified,
       c.last_inbound_seq, c.answered_seq,
       (select r.brief from releases r where r.conversation_id = c.id and r.epoch = c.epoch) as handover,
       k.number, k.subject, k.category, k.priority,
       coalesce(c.name, case when c.verified then cu.name end) as name,
       (select g.config from channel_configs g where g.channel = t.channel) as config,
       (select coalesce(sum(r.input_tokens + r.output_tokens), 0) from runs r where r.conversation_id = c.id) as spent_here,
       day.spent_input, day.spent_output,
       array(select 'Open hand-over: #' || ok.number || coalesce(' (' || oc.escalation_reason || ')', '')
               from conversations oc join tickets ok on ok.conversation_id = oc.id
              where oc.customer_id = c.customer_id and oc.id <> c.id and oc.status = 'escalated'
                and (oc.verified or not c.verified)  -- whoever only claims to be somebody takes none of their places
              order by ok.number limit 10) as waiting_elsewhere,
       coalesce((select min(m.created_at) from messages m
                  where m.conversation_id = c.id and m.direction = 'inbound' and m.seq > c.answered_seq),
                t.created_at) as waiting_since,
       coalesce((select jsonb_agg(jsonb_build_object('id', h.id, 'seq', h.seq, 'role', h.role, 'channel', h.channel,
                                                     'content', h.content, 'at', h.created_at,
                                                     'failed', h.failed) order by h.seq)
                   from (select m.id, m.seq, m.role, m.channel, m.content, m.created_at,
                                coalesce(m.delivery_status, '') = 'failed' as failed
                           from messages m
                          where m.conversation_id = c.id and m.direction <> 'note'
                            and coalesce(m.delivery_status, '') not in ('superseded', 'cancelled')
                          order by m.seq desc limit $2) h), '[]') as lines
  from turns t
  join conversations c on c.id = t.conversation_id
  join tickets k on k.id = t.ticket_id
  join customers cu on cu.id = c.customer_id
  cross join (select coalesce(sum(input_tokens), 0)::bigint as spent_input,
                     coalesce(sum(output_tokens), 0)::bigint as spent_output
                from model_use where day = (now() at time zone 'utc')::date) day
 where t.id = any ($1)

-- name: newest
select id from turns where conversation_id = $1 order by created_at desc, id desc limit 1

-- name: spent
select coalesce(sum(input_tokens), 0)::bigint as input, coalesce(sum(output_tokens), 0)::bigint as output
  from model_use where day = (now() at time zone 'utc')::date

-- name: lock
-- Both rows are locked: of a row that is only joined, a statement that had to wait would show the old version.
select c.owner, c.epoch, c.status, c.operator_id, c.last_seq, c.last_inbound_seq, c.answered_seq,
       t.lease_holder, t.attempts, t.state = 'running' as running, t.hint, now() as now,
       (select g.config from channel_configs g where g.channel = t.channel) as config,
       not c.verified and exists (select from conversations i where i.merged_into = c.id) as shared
  from conversations c
  join turns t on t.conversation_id = c.id
 where c.id = $1 and t.id = $2
   for update of c, t

-- name: one_hand_over_at_a_time
select pg_advisory_xact_lock(hashtextextended('handed over: ' || customer_id, 0))
  from conversations where id = $1

-- name: waiting_elsewhere
-- As `load` names them.
select count(*)
  from conversations c join conversations oc on oc.customer_id = c.customer_id and oc.id <> c.id
 where c.id = $1 and oc.status = 'escalated' and (oc.verified or not c.verified)

-- name: record_run
with used as (
    insert into model_use (day, share, runs, input_tokens, output_tokens)
    select (now() at time zone 'utc')::date, floor(random() * 16), 1, $9::int, $10::int where $9::int + $10::int > 0
        on conflict (day, share) do update
       set runs = model_use.runs + 1, input_tokens = model_use.input_tokens + excluded.input_tokens,
           output_tokens = model_use.output_tokens + excluded.output_tokens
)
insert into runs (id, turn_id, conversation_id, attempt, outcome, model, instructions_version, trace,
                  input_tokens, output_tokens, latency_ms, error)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9::int, $10::int, $11, $12)

-- name: answer
-- Of the time under the lock, not of the time before it: which tickets' pages show it depends on when they were merged.
with said as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, run_id, tokens_used,
                          latency_ms, tool_calls, delivery_status, answered_before, created_at)
    select $1, $2, $3, $4, 'outbound', 'agent', $5, $6, $7, $8, $9, $10, c.answered_seq, clock_timestamp()
      from conversations c where c.id = $2
), delivery as (
    insert into replies (id, message_id, conversation_id, turn_id, part, epoch, state, channel, body)
    select r.id, $1, $2, $11, r.ordinal - 1, $12, $10, $4, r.body
      from unnest($18::uuid[], $19::text[]) with ordinality as r (id, body, ordinal)
), talk as (
    update conversations set last_seq = $3, answered_seq = greatest(answered_seq, $14), epoch = $12,
                             last_message_at = now()
     where id = $2
), owed as (
    update turns set state = 'done', finished_at = now(), lease_holder = null, lease_until = null where id = $11
), shown as (
    update tickets set status = 'waiting_customer', updated_at = now(),
                       category = case when category_set then category else coalesce($15, category) end,
                       priority = case when priority_set then priority else coalesce($16, priority) end
     where id = $13
)
update messages set outcome = $17
 where conversation_id = $2 and direction = 'inbound' and seq <= $14 and outcome is null

-- name: say_nothing
-- The AI is off: the turn ends without a word, and a person has it.
with talk as (
    update conversations set epoch = $4 where id = $1
), owed as (
    update turns set state = 'done', finished_at = now(), lease_holder = null, lease_until = null where id = $3
)
update tickets set category = coalesce($5, category), priority = coalesce($6, priority), updated_at = now() where id = $2

-- name: hold
with held as (
    insert into drafts (id, conversation_id, turn_id, run_id, channel, epoch, answers_seq, body, held_because, confidence,
                        threshold, hint)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, t.hint from turns t where t.id = $3
), owed as (
    update turns set state = 'done', finished_at = now(), lease_holder = null, lease_until = null where id = $3
), shown as (
    update tickets set status = 'processing', updated_at = now(),
                       category = coalesce($13, category), priority = coalesce($14, priority)
     where id = $12
)
update messages set outcome = 'drafted'
 where conversation_id = $2 and direction = 'inbound' and seq <= $7 and outcome is null

-- name: escalate
with talk as (
    update conversations
       set owner = 'human', operator_id = null, status = 'escalated', escalated_at = now(), escalated_to = 'support',
           escalation_reason = $3, escalation_urgency = $4, escalation_brief = $5
     where id = $1
), shown as (
    update tickets set status = 'escalated' where id = $2
)
update messages set outcome = 'handed_over'
 where conversation_id = $1 and direction = 'inbound' and outcome is null

-- name: open_turn
-- The answer goes where the customer wrote last.
insert into turns (id, conversation_id, ticket_id, channel, hint)
select $1, $2, $3, coalesce((select m.channel from messages m where m.conversation_id = $2 and m.direction = 'inbound'
                              order by m.seq desc limit 1), $4), $5
returning id, due_at, channel

-- name: put_back
update turns
   set state = 'due', due_at = now() + make_interval(secs => $2), lease_holder = null, lease_until = null,
       discards = discards + $3::boolean::int, attempts = attempts - $4::boolean::int
 where id = $1
returning due_at

-- name: next_due
-- No row when none is due: over no rows, greatest(min(...), 0) would be 0 and not null.
select greatest(extract(epoch from due_at - now()), 0)::float8 from turns where state = 'due' order by due_at limit 1

-- name: waiting
select channel, state, count(*), greatest(extract(epoch from now() - min(due_at)), 0)::float8 as age
  from turns where state in ('due', 'running') group by 1, 2

-- name: recover
with lost as (
    select id from turns where state = 'running' and lease_until < now() limit 500 for update skip locked
), back as (
    update turns t set state = 'due', due_at = now(), lease_holder = null, lease_until = null
      from lost where t.id = lost.id
    returning t.id, t.conversation_id, t.ticket_id, t.channel, t.due_at
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.tickets.incoming', id::text, 'turn.due',
           jsonb_build_object('conversation_id', conversation_id, 'ticket_id', ticket_id, 'turn_id', id,
                              'channel', channel, 'due_at', due_at)
      from back
    union all
    select 'fte.metrics', conversation_id::text, 'lease.expired',
           jsonb_build_object('channel', channel, 'of', 'turn')
      from back
)
select id from back

-- name: give_back
with back as (
    update turns set state = 'due', due_at = now(), attempts = attempts - 1, lease_holder = null, lease_until = null
     where state = 'running' and lease_holder = $1
    returning id, conversation_id, ticket_id, channel, due_at
)
insert into log (topic, key, type, payload)
select 'fte.tickets.incoming', id::text, 'turn.due',
       jsonb_build_object('conversation_id', conversation_id, 'ticket_id', ticket_id, 'turn_id', id,
                          'channel', channel, 'due_at', due_at)
  from back
