-- Settled is what is resolved, and what the AI has answered: nothing is to be said, sent or approved, and nobody holds it.

-- name: settled_customers
-- Whose oldest settled conversations are to go: those an index finds as resolved, and those another finds as the AI's.
with old as (
    (select customer_id, last_message_at from conversations
      where status = 'resolved' and merged_into is null and last_message_at < $1 and not is_underway(id)
      order by last_message_at limit $2)
    union all
    (select customer_id, last_message_at from conversations
      where owner = 'ai' and status <> 'resolved' and merged_into is null and last_message_at < $1
        and not is_underway(id)
        and not exists (select from drafts d where d.conversation_id = conversations.id and d.state = 'pending')
      order by last_message_at limit $2)
)
select distinct id from (select customer_id as id from old order by last_message_at limit $2) oldest order by id

-- name: settled
-- Looked at again under the locks; each with what was merged into it.
with recursive old as (
    select id from conversations
     where customer_id = any ($3) and (status = 'resolved' or owner = 'ai') and merged_into is null
       and last_message_at < $1 and not is_underway(id)
       and not exists (select from drafts d where d.conversation_id = conversations.id and d.state = 'pending')
     order by last_message_at limit $2
), whole (id) as (
    select id from old
    union
    select m.id from whole join conversations m on m.merged_into = whole.id
)
select id from whole

-- name: originals
with old as (
    select channel, account, provider_id from inbound
     where raw is not null and received_at < $1 order by received_at limit $2 for update skip locked
)
update inbound i set raw = null from old
 where i.channel = old.channel and i.account = old.account and i.provider_id = old.provider_id

-- name: files
-- Their ids are made of the time they came.
with old as (
    select id from attachments where content is not null and id < $1 order by id limit $2 for update skip locked
)
update attachments a set content = null, state = 'lost', reason = 'not kept for so long' from old where a.id = old.id

-- name: traces
with old as (
    select id from runs where trace <> '{}' and id < $1 order by id limit $2 for update skip locked
)
update runs r set trace = '{}', error = null from old where r.id = old.id

-- name: audit
-- The oldest are looked at, and go if they are too old.
with oldest as (
    select id, at from audit order by id limit $2
)
delete from audit using oldest where audit.id = oldest.id and oldest.at < $1

-- name: measurements
with oldest as (
    select id, recorded_at from agent_metrics order by id limit $2
)
delete from agent_metrics using oldest where agent_metrics.id = oldest.id and oldest.recorded_at < $1
