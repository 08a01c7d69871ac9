-- name: fence
-- What the AI wrote before somebody took over is void. Takeover withdraws it itself; this is for every other change of owner.
with void as (
    select r.id, r.message_id, r.conversation_id, r.channel
      from replies r join messages m on m.id = r.message_id join conversations c on c.id = r.conversation_id
     where r.state = 'queued' and r.kind = 'answer' and r.due_at <= now() and m.role = 'agent' and r.epoch <> c.epoch
     limit $1
       for update of c, r skip locked
), withdrawn as (
    update replies r set state = 'superseded', updated_at = now() from void where r.id = void.id
), shown as (
    update messages m set delivery_status = 'superseded' from void where m.id = void.message_id
)
insert into log (topic, key, type, payload)
select 'fte.conversations', conversation_id::text, 'delivery.changed',
       jsonb_build_object('conversation_id', conversation_id, 'message_id', message_id, 'reply_id', id,
                          'channel', channel, 'state', 'superseded')
  from void

-- name: show_due
-- On the form's page nobody hands a reply over: it is there as soon as its time to be taken back is over.
with picked as (
    select r.id
      from replies r join messages m on m.id = r.message_id join conversations c on c.id = r.conversation_id
     where r.state = 'queued' and r.due_at <= now() and r.channel = 'web_form' and r.kind = 'answer'
       and (m.role <> 'agent' or r.epoch = c.epoch)
     order by r.due_at limit $1
       for update of c, r skip locked
), there as (
    update replies r set state = 'sent', updated_at = now() from picked where r.id = picked.id
    returning r.id, r.message_id, r.conversation_id, r.kind, r.channel
), shown as (
    update messages m set delivery_status = 'sent' from there where m.id = there.message_id
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
           jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                              'kind', r.kind, 'channel', r.channel, 'state', 'sent')
      from there r
)
select id from there

-- name: expire
-- A code or notice that could not leave in a day says nothing any more.
with picked as (
    select r.id
      from replies r join conversations c on c.id = r.conversation_id
     where r.state = 'queued' and r.kind <> 'answer' and r.due_at <= now() and r.queued_at < now() - interval '1 day'
     limit $1
       for update of c, r skip locked
), old as (
    update replies r set state = 'cancelled', updated_at = now() from picked where r.id = picked.id
    returning r.id, r.message_id, r.conversation_id, r.kind, r.channel
)
insert into log (topic, key, type, payload)
select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
       jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                          'kind', r.kind, 'channel', r.channel, 'state', 'cancelled')
  from old r

-- name: claim
-- The row locks make this and a takeover follow each other: whoever comes second sees what the first has done.
with picked as (
    select r.id
      from replies r join messages m on m.id = r.message_id join conversations c on c.id = r.conversation_id
     where r.state = 'queued' and r.due_at <= now() and r.channel = any ($4::text[])
       and (r.kind <> 'answer' or m.role <> 'agent' or r.epoch = c.epoch)
       and (r.kind <> 'answer' or not exists (
               select from replies e join messages em on em.id = e.message_id
                where e.conversation_id = r.conversation_id and e.state in ('queued', 'sending') and e.kind = 'answer'
                  and (em.seq, e.part) < (m.seq, r.part)))
     order by r.due_at limit $1
       for update of c, r skip locked
), taken as (
    update replies r
       set state = 'sending', attempts = r.attempts + 1, lease_holder = $2, began_at = now(),
           lease_until = now() + make_interval(secs => $3), updated_at = now()
      from picked where r.id = picked.id
    returning r.id, r.message_id, r.conversation_id, r.kind, r.channel
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
           jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                              'kind', r.kind, 'channel', r.channel, 'state', 'sending')
      from taken r
), shown as (
    update messages m set delivery_status = 'sending'
      from taken where m.id = taken.message_id and taken.kind = 'answer' and m.delivery_status in ('queued', 'sending')
)
select id from taken

-- name: claim_overdue
with cut_off as (
    select id from replies
     where state = 'sending' and lease_until < now() and channel = any ($4::text[]) limit $1 for update skip locked
), parked as (
    select id from replies
     where state = 'unknown' and due_at < now() and channel = any ($4::text[])
     limit $1 - (select count(*) from cut_off) for update skip locked
), picked as (
    select id from cut_off union all select id from parked
), told as (
    insert into log (topic, key, type, payload)
    select 'fte.metrics', r.conversation_id::text, 'lease.expired',
           jsonb_build_object('channel', r.channel, 'of', 'reply')
      from replies r join cut_off on cut_off.id = r.id
)
update replies r
   set lease_holder = $2, lease_until = now() + make_interval(secs => $3), due_at = now() + make_interval(secs => $3)
  from picked where r.id = picked.id
returning r.id

-- name: renew
-- What is parked waits for its due time instead of for the end of a lease.
update replies r
   set lease_until = now() + make_interval(secs => $3),
       due_at = case r.state when 'unknown' then now() + make_interval(secs => $3) else r.due_at end
  from unnest($1::uuid[], $2::uuid[]) as mine (id, holder)
 where r.id = mine.id and r.lease_holder = mine.holder and r.state in ('sending', 'unknown')

-- name: load
select r.id as reply_id, r.message_id, r.conversation_id, r.kind, r.channel, coalesce(r.account, last.account, '') as account,
       coalesce(r.recipient, last.sender, '') as recipient, coalesce(c.name, case when c.verified then cu.name end, '') as recipient_name,
       m.role, coalesce(o.name, '') as operator_name, coalesce(r.body, m.content) as text, r.part,
       k.subject, k.number, k.id as ticket,
       case r.kind when 'answer' then coalesce(last.envelope, '{}') else '{}' end as envelope,
       case when r.channel = 'whatsapp'
            then case when r.window_closed then to_timestamp(0) else last.sent_at + interval '24 hours' end
       end as window_until,
       r.draft_id, r.attempts, r.began_at, extract(epoch from now() - r.queued_at)::float8 as queued_for, r.state,
       extract(epoch from now() - r.began_at)::float8 as since_began,
       array(select i.id from messages i
              where i.conversation_id = m.conversation_id and i.seq > m.answered_before and i.seq < m.seq
                and i.direction = 'inbound' order by i.seq desc limit 20) as answers
  from replies r
  join messages m on m.id = r.message_id
  join conversations c on c.id = r.conversation_id
  join customers cu on cu.id = c.customer_id
  left join operators o on o.id = m.operator_id
  join lateral (select id, number, subject from tickets where conversation_id = c.id order by created_at desc limit 1) k on true
  left join lateral (
       select b.account, b.envelope, b.sent_at, i.sender
         from messages i join inbound b on b.message_id = i.id
        where i.conversation_id = c.id and i.direction = 'inbound' and i.channel = r.channel
        order by i.seq desc limit 1) last on true
 where r.id = any ($1)
 order by m.seq, r.part

-- name: lock
select c.id from replies r join conversations c on c.id = r.conversation_id where r.id = $1 for update of c

-- name: lock_turn
select id from turns where conversation_id = $1 and state in ('due', 'running') for update

-- name: facts
select r.id, r.message_id, r.conversation_id, r.kind, r.channel, r.part, r.state, r.window_closed, r.provider_id,
       r.lease_holder,
       m.seq, m.role, k.id as ticket_id, k.number, c.owner, c.epoch, c.status
  from replies r
  join messages m on m.id = r.message_id
  join conversations c on c.id = r.conversation_id
  join lateral (select id, number from tickets where conversation_id = c.id order by created_at desc limit 1) k on true
 where r.id = $1

-- name: set_state
update replies
   set state = $2, error = $3, provider_id = coalesce($4, provider_id), due_at = now() + make_interval(secs => $5),
       lease_holder = null, lease_until = null, updated_at = now()
 where id = $1

-- name: close_window
update replies set window_closed = true, provider_id = null where id = $1

-- name: cancel_rest
with rest as (
    update replies set state = 'cancelled', updated_at = now()
     where message_id = $1 and kind = 'answer' and part > $2 and state = 'queued'
    returning id, message_id, conversation_id, kind, channel
)
insert into log (topic, key, type, payload)
select 'fte.conversations', r.conversation_id::text, 'delivery.changed',
       jsonb_build_object('conversation_id', r.conversation_id, 'message_id', r.message_id, 'reply_id', r.id,
                          'kind', r.kind, 'channel', r.channel, 'state', 'cancelled')
  from rest r

-- name: show
-- A message has come as far as its least fortunate part.
update messages m
   set delivery_status = (select r.state from replies r where r.message_id = m.id and r.kind = 'answer'
                           order by array_position(array['failed', 'unknown', 'superseded', 'cancelled', 'draft', 'queued',
                                                         'sending', 'sent', 'delivered', 'read'], r.state) limit 1)
 where m.id = $1
returning m.delivery_status

-- name: keep_draft
update replies set draft_id = $3 where id = $1 and lease_holder = $2 and state = 'sending' returning id

-- name: ask_in
update replies set lease_until = now() + make_interval(secs => $3)
 where id = $1 and lease_holder = $2 and state in ('sending', 'unknown')

-- name: hand_over
with talk as (
    update conversations
       set owner = 'human', operator_id = null, status = 'escalated', epoch = epoch + 1, escalated_at = now(),
           escalated_to = 'support', escalation_reason = $3, escalation_urgency = 'high', escalation_brief = $4
     where id = $1
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id = $1 and state in ('due', 'running')
), waiting as (
    update messages set outcome = 'handed_over'
     where conversation_id = $1 and direction = 'inbound' and outcome is null
)
update tickets set status = 'escalated', updated_at = now() where id = $2

-- name: lock_provider_id
select pg_advisory_xact_lock(hashtextextended($1 || ':' || $2, 0))

-- name: add_report
insert into delivery_reports (channel, provider_id, status, error, reply_id) values ($1, $2, $3, $4, $5)
on conflict do nothing
returning provider_id

-- name: by_provider
select id from replies where channel = $1 and provider_id = $2

-- name: answered
select r.id, r.conversation_id,
       array(select i.id from messages i
              where i.conversation_id = m.conversation_id and i.seq > m.answered_before and i.seq < m.seq
                and i.direction = 'inbound' order by i.seq desc limit 20) as answers
  from replies r join messages m on m.id = r.message_id
 where r.id = $1

-- name: reports
select status, error from delivery_reports where channel = $1 and provider_id = $2

-- name: spent
-- A message that a closed window has cost was given up for another one; what is said of it later changes nothing.
select exists (select from delivery_reports
                where channel = $1 and provider_id = $2 and error = '63016' and status <> $3)

-- name: is_ours
-- What reported under a reply's id was told apart then, and is that reply's even when it went out again since (its window
-- had closed), under another id.
select exists (select from replies where channel = $1 and provider_id = $2)
    or exists (select from delivery_reports where channel = $1 and provider_id = $2 and reply_id is not null)

-- name: next_due
select greatest(extract(epoch from due_at - now()), 0)::float8 from replies
 where state = 'queued' and channel = any ($1::text[]) order by due_at limit 1

-- name: counts
select state, channel, count(*) from replies where state in ('queued', 'sending', 'unknown') group by 1, 2
