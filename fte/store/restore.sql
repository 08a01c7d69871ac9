-- name: here
select system_identifier as cluster, (select oid from pg_database where datname = current_database()) as database
  from pg_control_system()

-- name: home
insert into home (cluster, database) values ($1, $2) on conflict do nothing

-- name: is_home
select cluster = $1 and database = $2 from home

-- name: move_home
insert into home (cluster, database) values ($1, $2)
on conflict (sole) do update set cluster = excluded.cluster, database = excluded.database

-- name: others
select count(*) from pg_stat_activity
 where datname = current_database() and application_name = 'fte' and pid <> pg_backend_pid()

-- name: rebase_log
-- Transactions are numbered by the server, and this one may not have come as far: all events are of this one now, in
-- their order, so that every group reads all of them again.
update log set tx = pg_current_xact_id()

-- name: restart_groups
delete from cursors

-- name: end_streams
update log_pruned set before_tx = pg_current_xact_id()

-- name: remake_topics
update topics_made set times = times + 1, gone_before = now()

-- name: record
insert into restores default values

-- name: question
-- Replies that may have been sent since. The provider is asked; until then, and when it cannot tell, a person decides.
-- A draft that was not made yet may have been made and sent since: "r0" stands for one that is not there any more.
with asked as (
    update replies
       set state = 'unknown', lease_holder = null, lease_until = null, due_at = now(), updated_at = now(),
           began_at = coalesce(began_at, queued_at), error = 'restored from a backup: it may have been sent since',
           draft_id = case when channel = 'email' then coalesce(draft_id, 'r0') end
     where state in ('queued', 'sending') and kind = 'answer' and channel <> 'web_form'
    returning message_id
)
update messages set delivery_status = 'unknown' where id in (select message_id from asked)

-- name: cancel_codes
update replies set state = 'cancelled', updated_at = now() where state in ('queued', 'sending') and kind <> 'answer'

-- name: hand_over
-- What was owed may have been answered since.
with talks as (
    select c.id, c.epoch from conversations c
     where c.owner = 'ai' and c.merged_into is null
       and (exists (select from turns t where t.conversation_id = c.id and t.state in ('due', 'running'))
            or exists (select from drafts d where d.conversation_id = c.id and d.state = 'pending')
            or exists (select from replies r where r.conversation_id = c.id and r.state = 'unknown'))
), given as (
    update conversations c
       set owner = 'human', operator_id = null, status = 'escalated', epoch = c.epoch + 1, ended_at = null,
           escalated_at = now(), escalated_to = 'support', escalation_reason = 'restored', escalation_urgency = 'high',
           escalation_brief = $1
      from talks where c.id = talks.id
    returning c.id, c.epoch, c.initial_channel, c.last_seq
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id in (select id from talks) and state in ('due', 'running')
), waiting as (
    update messages set outcome = 'handed_over'
     where conversation_id in (select id from talks) and direction = 'inbound' and coalesce(outcome, 'drafted') = 'drafted'
), shown as (
    update tickets set status = 'escalated', updated_at = now(), resolved_at = null where conversation_id in (select id from talks)
)
insert into log (topic, key, type, payload)
select e.topic, g.id::text, e.type,
       jsonb_build_object('conversation_id', g.id, 'channel', g.initial_channel, 'seq', g.last_seq, 'reason', 'restored',
                          'urgency', 'high', 'owner', 'human', 'holder', null, 'epoch', g.epoch, 'status', 'escalated')
  from given g cross join (values ('fte.conversations', 'conversation.escalated'),
                                  ('fte.escalations', 'escalation.raised')) e (topic, type)

-- name: hand_over_past
-- A message of a customer from before the last restoring, delivered again: it may have been answered.
with past as (
    select c.id from conversations c
     where c.id = $1 and c.owner = 'ai' and exists (select from restores r where r.at > $2::timestamptz)
       for update
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id in (select id from past) and state in ('due', 'running')
), waiting as (
    update messages set outcome = 'handed_over'
     where conversation_id in (select id from past) and direction = 'inbound' and outcome is null
), shown as (
    update tickets set status = 'escalated', updated_at = now() where conversation_id in (select id from past)
), given as (
    update conversations c
       set owner = 'human', operator_id = null, status = 'escalated', epoch = c.epoch + 1, escalated_at = now(),
           escalated_to = 'support', escalation_reason = 'restored', escalation_urgency = 'high', escalation_brief = $3
      from past where c.id = past.id
    returning c.id, c.epoch, c.initial_channel, c.last_seq
)
insert into log (topic, key, type, payload)
select e.topic, g.id::text, e.type,
       jsonb_build_object('conversation_id', g.id, 'channel', g.initial_channel, 'seq', g.last_seq, 'reason', 'restored',
                          'urgency', 'high', 'owner', 'human', 'holder', null, 'epoch', g.epoch, 'status', 'escalated')
  from given g cross join (values ('fte.conversations', 'conversation.escalated'),
                                  ('fte.escalations', 'escalation.raised')) e (topic, type)

-- name: read_mailboxes_again
update mailboxes set dirty = true, holder = null, held_until = null, next_sync_at = now(), mail = null, mail_tries = 0

-- name: read_numbers_again
update whatsapp_numbers set next_read_at = now()

-- name: audited
insert into audit (operator_id, action, details) values (null, 'restored', $1)
