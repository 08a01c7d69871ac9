-- name: lookup
select cu.id, cu.name, cu.email, cu.phone, cu.created_at,
       coalesce((select jsonb_agg(jsonb_build_object('identifier_type', i.identifier_type,
                                                     'identifier_value', i.identifier_value,
                                                     'verified', i.verified) order by i.id)
                   from customer_identifiers i where i.customer_id = cu.id), '[]') as identifiers,
       coalesce((select jsonb_agg(jsonb_build_object('conversation_id', c.id, 'number', c.number, 'status', c.status,
                                                     'owner', c.owner, 'initial_channel', c.initial_channel,
                                                     'started_at', c.started_at, 'last_message_at', c.last_message_at)
                                  order by c.last_message_at desc)
                   from (select * from conversations
                          where customer_id = cu.id order by last_message_at desc limit $3) c), '[]') as conversations
  from customer_identifiers known join customers cu on cu.id = known.customer_id
 where known.identifier_type = any ($1) and known.identifier_value = $2
 limit 1
