-- name: due
-- When webhooks were missed, the next reading follows sooner: for those that were missed while this one waited.
insert into whatsapp_numbers as known (account, next_read_at)
values ($1, now() + make_interval(secs => $2))
on conflict (account) do update
   set next_read_at = case when known.missed_at is null then excluded.next_read_at
                           else least(excluded.next_read_at, now() + make_interval(secs => $3)) end,
       missed_at = null
 where known.next_read_at <= now() or known.missed_at <= now() - make_interval(secs => $3)
returning read_until, now() as at

-- name: missed
insert into whatsapp_numbers as known (account, missed_at) values ($1, now())
on conflict (account) do update set missed_at = coalesce(known.missed_at, now())

-- name: read_until
update whatsapp_numbers set read_until = greatest(read_until, $2) where account = $1

-- name: missing
select wanted.sid
  from unnest($2::text[]) as wanted (sid)
 where not exists (select from inbound i where i.channel = 'whatsapp' and i.account = $1 and i.provider_id = wanted.sid)
   and not was_erased('whatsapp', $1, wanted.sid)

-- name: strangers
-- Ours are those a reply has the id of and those that reported under a reply's id; while one of ours may be on its way
-- to the customer without our knowing its id, nothing to them is called a stranger's.
select wanted.sid, talk.id as conversation
  from unnest($2::text[], $3::text[]) as wanted (sid, recipient)
  join customer_identifiers known on known.identifier_type = 'whatsapp' and known.identifier_value = wanted.recipient
  join lateral (select c.id from conversations c where c.customer_id = known.customer_id
                 order by c.last_message_at desc limit 1) talk on true
 where not exists (select from replies r where r.channel = 'whatsapp' and r.provider_id = wanted.sid)
   and not exists (select from delivery_reports d
                    where d.channel = 'whatsapp' and d.provider_id = wanted.sid and d.reply_id is not null)
   and not exists (select from inbound i where i.channel = 'whatsapp' and i.account = $1 and i.provider_id = wanted.sid)
   and not was_erased('whatsapp', $1, wanted.sid)
   and not exists (select from replies r join conversations c on c.id = r.conversation_id
                    where c.customer_id = known.customer_id and r.channel = 'whatsapp' and r.state in ('sending', 'unknown'))

-- name: last_inbound
select max(received_at) from inbound where channel = 'whatsapp' and account = $1 and disposition = 'message'
