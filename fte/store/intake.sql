-- name: intake
select o_duplicate, o_conversation, o_ticket, o_message, o_code, o_clocks
  from intake($1, $2, $3, $4, $5, $6, $7, $8, standing_ticket($9), $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
              $21, $22, $23, $24, $25, $26::interval, $27::interval, $28, $29)

-- name: subjects
-- What the conversation is known to be about before this message: by its tickets, and by the mails in it.
select t.subject, t.number from tickets t where t.conversation_id = $1
union
select i.envelope ->> 'subject', null
  from messages m join inbound i on i.message_id = m.id
 where m.conversation_id = $1 and m.id <> $2 and i.envelope ->> 'subject' <> ''

-- name: attach
insert into attachments (id, message_id, ordinal, name, media_type, size, state, reason, source, content)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: refer
insert into mail_references (account, kind, value, ticket_id)
select $1, kind, value, $2 from unnest($3::text[], $4::text[]) as r (kind, value)
on conflict do nothing

-- name: set_aside
insert into inbound (channel, account, provider_id, ticket_id, disposition, reason, raw)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing
