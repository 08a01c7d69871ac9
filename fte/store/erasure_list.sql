-- name: customers
select customer_id, min(at) as at from erasures group by customer_id order by min(at), customer_id

-- name: hashes
select hash from erased where hash > $1 order by hash limit $2

-- name: keep
insert into erased (hash) select unnest($1::bytea[]) on conflict do nothing

-- name: set_aside
-- What was taken in again and is in no conversation.
delete from inbound
 where message_id is null and ticket_id is null and (raw is not null or reason is not null)
   and was_erased(channel, account, provider_id)

-- name: came_back
-- Who has something here that was erased: it lies in a database of before, or was taken in again by one.
select distinct c.customer_id as id
  from inbound i join messages m on m.id = i.message_id join conversations c on c.id = m.conversation_id
 where was_erased(i.channel, i.account, i.provider_id)
 order by id
