-- name: by_public_hash
select t.id as ticket, t.conversation_id as conversation, t.status, t.subject, t.created_at,
       greatest(t.updated_at, c.last_message_at) as last_updated,
       coalesce((select m.sender from messages m
                  where m.conversation_id = t.conversation_id and m.sender is not null order by m.seq desc limit 1),
                cu.email, cu.phone, '') as identifier,
       coalesce((select jsonb_agg(jsonb_build_object(
                            'sender', m.role, 'name', m.name, 'content', m.content, 'at', m.created_at) order by m.seq)
                   from (select m.seq, m.role, m.content, m.created_at,
                                case m.role when 'customer' then coalesce(c.name, '')
                                            when 'operator' then coalesce(o.name, '') else '' end as name
                           from messages m left join operators o on o.id = m.operator_id
                          where m.conversation_id = t.conversation_id and m.direction <> 'note'
                            and (m.direction = 'inbound' or m.delivery_status in ('sent', 'delivered', 'read'))
                          order by m.seq desc limit 200) m), '[]') as messages
  from tickets t
  join conversations c on c.id = t.conversation_id
  join customers cu on cu.id = t.customer_id
 where t.public_hash = $1
