-- name: by_public_hash
-- Of a merged one the page goes on with what is said in the conversation that was kept, from the merge on.
select t.id as ticket, t.conversation_id as conversation, coalesce(k.status, t.status) as status, t.subject, t.created_at,
       greatest(t.updated_at, c.last_message_at, k.updated_at, k.last_message_at) as last_updated,
       coalesce((select m.sender from messages m
                  where m.conversation_id = t.conversation_id and m.sender is not null order by m.seq desc limit 1),
                cu.email, cu.phone, '') as identifier,
       coalesce((select jsonb_agg(jsonb_build_object('sender', m.role, 'name', m.name, 'content', m.content, 'at', m.created_at)
                                  order by m.created_at, m.seq)
                   from (select m.seq, m.role, m.content, m.created_at,
                                case m.role when 'customer' then coalesce(c.name, '')
                                            when 'operator' then coalesce(o.name, '') else '' end as name
                           from messages m left join operators o on o.id = m.operator_id
                          where (m.conversation_id = t.conversation_id
                                 or m.conversation_id = k.conversation_id and m.created_at > k.merged_at)
                            and m.direction <> 'note'
                            and (m.direction = 'inbound' or m.delivery_status in ('sent', 'delivered', 'read'))
                          order by m.created_at desc, m.seq desc limit 200) m), '[]') as messages
  from tickets t
  join conversations c on c.id = t.conversation_id
  join customers cu on cu.id = t.customer_id
  left join lateral (
       select kt.conversation_id, kt.status, kt.updated_at, kc.last_message_at, g.merged_at
         from tickets kt join conversations kc on kc.id = kt.conversation_id
         join conversation_merges g on g.merged = c.id and g.undone_at is null
        where c.merged_into is not null and kt.conversation_id = standing(c.id)
        order by kt.created_at limit 1) k on true
 where t.public_hash = $1
