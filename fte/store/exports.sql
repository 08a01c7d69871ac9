-- name: audited
insert into audit (operator_id, action, details) values ($1, 'export', $2)

-- name: customers
select coalesce(jsonb_agg(to_jsonb(cu) order by cu.created_at), '[]') from customers cu where id = any ($1)

-- name: identifiers
select coalesce(jsonb_agg(to_jsonb(i) - 'id' order by i.id), '[]') from customer_identifiers i where customer_id = any ($1)

-- name: merges
select coalesce(jsonb_agg(to_jsonb(g) order by g.merged_at), '[]')
  from customer_merges g where g.kept = any ($1) or g.merged = any ($1)

-- name: audit
select coalesce(jsonb_agg(to_jsonb(a) - '{idempotency_key,request_hash,result}'::text[] order by a.id), '[]')
  from audit a
 where a.conversation_id is null
   and (a.details ->> 'customer_id' = any ($1) or a.details ->> 'kept' = any ($1) or a.details ->> 'merged' = any ($1))

-- name: set_aside
-- What was never taken for a message, yet names them: that it came. What is in it may be somebody else's.
select coalesce(jsonb_agg(to_jsonb(i) - '{raw,envelope,reason}'::text[] order by i.received_at), '[]')
  from inbound i
 where i.message_id is null and i.ticket_id is null and (i.raw is not null or i.reason is not null)
   and exists (select from unnest($1::text[]) as known (address)
                where strpos(lower(coalesce(encode(i.raw, 'escape'), '') || ' ' || coalesce(i.reason, '')), address) > 0)

-- name: conversation
-- `linked_to` may be somebody else's conversation.
select to_jsonb(c) - 'linked_to' || jsonb_build_object(
    'tickets', (select jsonb_agg(to_jsonb(t) - 'public_hash' order by t.created_at) from tickets t where t.conversation_id = c.id),
    'messages', (select jsonb_agg(to_jsonb(m) order by m.seq) from messages m where m.conversation_id = c.id),
    'attachments', (select jsonb_agg(to_jsonb(a) - 'content' order by a.message_id, a.ordinal)
                      from attachments a join messages m on m.id = a.message_id where m.conversation_id = c.id),
    'replies', (select jsonb_agg(to_jsonb(r) - '{lease_holder,lease_until}'::text[] order by r.queued_at, r.part)
                  from replies r where r.conversation_id = c.id),
    'delivery_reports', (select jsonb_agg(to_jsonb(d) order by d.received_at)
                           from delivery_reports d join replies r on r.channel = d.channel and r.provider_id = d.provider_id
                          where r.conversation_id = c.id),
    'drafts', (select jsonb_agg(to_jsonb(d) - 'approved_hash' order by d.created_at) from drafts d where d.conversation_id = c.id),
    'turns', (select jsonb_agg(to_jsonb(t) - '{lease_holder,lease_until}'::text[] order by t.created_at)
                from turns t where t.conversation_id = c.id),
    'runs', (select jsonb_agg(to_jsonb(r) order by r.created_at) from runs r where r.conversation_id = c.id),
    'handovers', (select jsonb_agg(to_jsonb(r) order by r.epoch) from releases r where r.conversation_id = c.id),
    'hands', (select jsonb_agg(to_jsonb(h) order by h.epoch) from hands h where h.conversation_id = c.id),
    'proofs', (select jsonb_agg(to_jsonb(l) - 'code_hash' order by l.created_at) from link_codes l where l.conversation_id = c.id),
    'received', (select jsonb_agg(to_jsonb(i) - 'raw' order by i.received_at)
                   from inbound i join tickets t on t.id = i.ticket_id where t.conversation_id = c.id),
    'mail_references', (select jsonb_agg(to_jsonb(f)) from mail_references f join tickets t on t.id = f.ticket_id
                         where t.conversation_id = c.id),
    'mentions', (select jsonb_agg(to_jsonb(n)) from mentions n where n.conversation_id = c.id),
    'audit', (select jsonb_agg(to_jsonb(a) - '{idempotency_key,request_hash,result}'::text[] order by a.id)
                from audit a where a.conversation_id = c.id))
  from conversations c where c.id = $1 and c.customer_id = any ($2)

-- name: files
select a.id from attachments a join messages m on m.id = a.message_id
 where m.conversation_id = $1 and a.content is not null order by a.message_id, a.ordinal

-- name: file
select content from attachments where id = $1

-- name: originals
select i.channel, i.account, i.provider_id from inbound i join tickets t on t.id = i.ticket_id
 where t.conversation_id = $1 and i.raw is not null order by i.received_at

-- name: original
select raw from inbound where channel = $1 and account = $2 and provider_id = $3
