-- name: find
with named (ticket_id, rank) as (
    select (select t.id from tickets t where t.conversation_id = m.conversation_id order by t.created_at desc limit 1), 0
      from replies r join messages m on m.id = r.message_id
     where r.id = $2
    union all
    select f.ticket_id, array_position($3::text[], f.value)
      from mail_references f
     where f.account = $1 and f.kind = 'message' and f.value = any ($3::text[])
    union all
    select f.ticket_id, 1000000 from mail_references f where f.account = $1 and f.kind = 'thread' and f.value = $4
), best as (
    select ticket_id from named where ticket_id is not null order by rank limit 1
)
select t.id as ticket_id, t.conversation_id,
       array(select i.identifier_value from customer_identifiers i
              where i.customer_id = c.customer_id and i.identifier_type = 'email') as participants
  from best join tickets t on t.id = best.ticket_id join conversations c on c.id = t.conversation_id

-- name: answered
with customer as (
    select customer_id from customer_identifiers where identifier_type = 'email' and identifier_value = $1
), talks as (
    select c.id from customer join conversations c using (customer_id) where c.last_message_at > now() - interval '1 day'
), said as (
    select m.id, m.direction, m.role, m.content, m.created_at
      from talks join messages m on m.conversation_id = talks.id
     where m.channel = 'email' and m.created_at > now() - interval '1 day'
)
select (select count(*) from said where role = 'agent' and direction = 'outbound'
                                    and created_at > now() - interval '1 hour')
     + (select count(*) from talks join turns t on t.conversation_id = talks.id and t.state in ('due', 'running')
         where t.channel = 'email')
           as answers,
       (select count(*) from said join inbound i on i.message_id = said.id
         where said.direction = 'inbound' and said.content = any ($3) and i.envelope ->> 'subject' = $2) as repeated

-- name: known
select provider_id from inbound where channel = 'email' and account = $1 and provider_id = any ($2)
union all
select id from unnest($2::text[]) as mail (id) where was_erased('email', $1, id)

-- name: was_erased
select was_erased('reply', '', $1::uuid::text)

-- name: refer
insert into mail_references (account, kind, value, ticket_id)
select $1, kind, value, $2 from unnest($3::text[], $4::text[]) as r (kind, value)
on conflict do nothing
