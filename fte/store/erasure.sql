-- name: parts
-- The customer, and all who were made one with them.
with recursive parts (id) as (
    select id from customers where id = $1
    union
    select g.merged from parts p join customer_merges g on g.kept = p.id and g.undone_at is null
)
select id from parts order by id

-- name: part_of
select kept from customer_merges where merged = $1 and undone_at is null limit 1

-- name: conversations
select id, number from conversations where customer_id = any ($1) order by id

-- name: addresses
-- What a mail that was set aside is recognised by. What is too short would be found in anybody's.
select distinct lower(address) as address
  from (select identifier_value as address from customer_identifiers where customer_id = any ($1)
        union all
        select unnest(array[email, phone]) from customers where id = any ($1)
        union all
        select m.sender from messages m where m.conversation_id = any ($2) and m.sender is not null) known
 where length(address) >= 6

-- name: done_before
select action, details, result from audit where operator_id = $1 and idempotency_key = $2

-- name: plan
select (select count(*) from customer_identifiers where customer_id = any ($1)) as identifiers,
       (select count(*) from tickets where conversation_id = any ($2)) as tickets,
       (select count(*) from messages where conversation_id = any ($2)) as messages,
       (select count(*) from attachments a join messages m on m.id = a.message_id where m.conversation_id = any ($2)) as attachments,
       (select count(*) from drafts where conversation_id = any ($2)) as drafts,
       (select count(*) from replies where conversation_id = any ($2)) as replies,
       (select count(*) from replies where conversation_id = any ($2) and state in ('queued', 'draft')) as unsent,
       (select count(*) from runs where conversation_id = any ($2)) as runs

-- name: pages
select distinct s.source from suggestions s
  join messages m on m.id = s.message_id join documents d on d.source = s.source
 where m.conversation_id = any ($1) order by 1

-- name: names
select coalesce(name, '') as name, email, phone from customers where id = $1

-- name: identifiers
select identifier_value from customer_identifiers where customer_id = any ($1) order by id

-- name: lock_turns
select id from turns where conversation_id = any ($1) and state in ('due', 'running') order by id for update

-- name: lock_replies
select id, message_id, state = 'sending' and lease_until >= now() as in_flight
  from replies where conversation_id = any ($1) order by id for update

-- name: withdraw
-- What is not said yet never will be. A person has what is left of it, until the erasure is done.
with talks as (
    update conversations set owner = 'human', operator_id = null, epoch = epoch + 1 where id = any ($1)
), owed as (
    update turns set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null
     where conversation_id = any ($1) and state in ('due', 'running')
)
update replies set state = 'cancelled', updated_at = now() where conversation_id = any ($1) and state in ('queued', 'draft')

-- name: remember
-- By which a provider's second delivery is known: of what came in, of what we said, and of what is reported about that.
insert into erased (hash)
select erasure_hash(i.channel, i.account, i.provider_id)
  from inbound i
 where i.message_id in (select id from messages where conversation_id = any ($1))
    or i.ticket_id in (select id from tickets where conversation_id = any ($1))
union
select erasure_hash(r.channel, ours.account, r.provider_id)
  from replies r cross join (select account from mailboxes union select account from whatsapp_numbers) ours
 where r.conversation_id = any ($1) and r.provider_id is not null
union
select erasure_hash('report', r.channel, r.provider_id) from replies r
 where r.conversation_id = any ($1) and r.provider_id is not null
union
select erasure_hash('reply', '', r.id::text) from replies r where r.conversation_id = any ($1)
on conflict do nothing

-- name: forget_mail
update mailboxes b set mail = null, mail_tries = 0
  from inbound i
 where i.channel = 'email' and i.account = b.account and i.provider_id = b.mail
   and i.ticket_id in (select id from tickets where conversation_id = any ($1))

-- name: set_aside
-- What was never taken for a message, yet names them.
with theirs as (
    delete from inbound i
     where i.message_id is null and i.ticket_id is null and (i.raw is not null or i.reason is not null)
       and exists (select from unnest($1::text[]) as known (address)
                    where strpos(lower(coalesce(encode(i.raw, 'escape'), '') || ' ' || coalesce(i.reason, '')), address) > 0)
    returning channel, account, provider_id
)
insert into erased (hash) select erasure_hash(channel, account, provider_id) from theirs on conflict do nothing

-- name: announce
insert into log (topic, key, type, payload)
select 'fte.conversations', id::text, 'conversation.erased', jsonb_build_object('conversation_id', id)
  from unnest($1::uuid[]) as gone (id)

-- name: bare_events
-- Events hold ids, numbers, times and our own words. Tags are words of people: they go, with all that is none of those.
update log set payload = coalesce((
           select jsonb_object_agg(key, value) from jsonb_each(payload)
            where jsonb_typeof(value) in ('number', 'boolean', 'null')
               or value #>> '{}' ~ '^([a-z_.]{1,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9:. T+Z-]{8,40})$'), '{}')
 where topic = 'fte.conversations' and payload ->> 'conversation_id' = any ($1::text[])

-- name: bare_audit
-- That an operator did something stays; what they wrote on the way goes, and the hash of it, which could be guessed.
update audit set details = '{}', result = null, request_hash = null, idempotency_key = null where conversation_id = any ($1)

-- name: dead_letters
delete from dead_letters
 where key = any ($2) or event -> 'payload' ->> 'conversation_id' = any ($2)
    or key in (select id::text from turns where conversation_id = any ($1))

-- name: notices
delete from notices where address_hash in (
    select sha256(convert_to(identifier_value, 'UTF8')) from customer_identifiers where customer_id = any ($1))

-- name: mentions
delete from mentions where conversation_id = any ($1)

-- name: attachments
delete from attachments where message_id in (select id from messages where conversation_id = any ($1))

-- name: delivery_reports
delete from delivery_reports d
 where exists (select from replies r where r.conversation_id = any ($1) and r.channel = d.channel and r.provider_id = d.provider_id)
    or d.reply_id in (select id from replies where conversation_id = any ($1))

-- name: inbound
delete from inbound
 where message_id in (select id from messages where conversation_id = any ($1))
    or ticket_id in (select id from tickets where conversation_id = any ($1))

-- name: drafts
delete from drafts where conversation_id = any ($1)

-- name: replies
delete from replies where conversation_id = any ($1)

-- name: messages
delete from messages where conversation_id = any ($1)

-- name: runs
delete from runs where conversation_id = any ($1)

-- name: mail_references
delete from mail_references where ticket_id in (select id from tickets where conversation_id = any ($1))

-- name: link_codes
delete from link_codes where conversation_id = any ($1)

-- name: releases
delete from releases where conversation_id = any ($1)

-- name: hands
delete from hands where conversation_id = any ($1)

-- name: turns
delete from turns where conversation_id = any ($1)

-- name: tickets
delete from tickets where conversation_id = any ($1)

-- name: conversation_merges
delete from conversation_merges where kept = any ($1) or merged = any ($1)

-- name: unlink
update conversations set linked_to = null where linked_to = any ($1) and id <> all ($1)

-- name: delete_conversations
delete from conversations where id = any ($1)

-- name: customer_identifiers
delete from customer_identifiers where customer_id = any ($1)

-- name: customer_merges
delete from customer_merges where kept = any ($1) or merged = any ($1)

-- name: customers
delete from customers where id = any ($1)

-- name: left_alone
-- Of these customers, who has nothing left and is not part of another; with those who were made one with them.
with recursive parts (id) as (
    select id from customers cu
     where id = any ($1) and not exists (select from conversations c where c.customer_id = cu.id)
       and not exists (select from customer_merges g where g.undone_at is null and g.merged = cu.id)
    union
    select g.merged from parts p join customer_merges g on g.kept = p.id and g.undone_at is null
)
select id from parts

-- name: known
-- A customer's conversations with something from them in it that was erased before, and what was merged with these. `anew`:
-- with something that was not.
select id, number, anew
  from (select id, number, bool_or(known) over whole as known, bool_or(anew) over whole as anew
          from (select c.id, c.number, standing(c.id) as stands,
                       exists (select from messages m join inbound i on i.message_id = m.id
                                where m.conversation_id = c.id
                                  and was_erased(i.channel, i.account, i.provider_id)) as known,
                       exists (select from messages m
                                where m.conversation_id = c.id and m.direction = 'inbound'
                                  and not exists (select from inbound i where i.message_id = m.id
                                                     and was_erased(i.channel, i.account, i.provider_id))) as anew
                  from conversations c where c.customer_id = $1) talks
        window whole as (partition by stands)) wholes
 where known order by id

-- name: record
insert into erasures (id, customer_id, operator_id, counts) values ($1, $2, $3, $4)

-- name: audited
insert into audit (operator_id, action, idempotency_key, request_hash, details, result) values ($1, 'erase', $2, ''::bytea, $3, $4)
