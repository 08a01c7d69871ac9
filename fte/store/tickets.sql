-- name: by_public_hash
-- A merged one goes on in the conversation that was kept: its page shows what we said there while they were one. What was
-- typed on a page is shown on that page alone: whoever has the address of another one may be somebody else.
with recursive ways (conversation, since, until) as (
    select t.conversation_id, '-infinity'::timestamptz, 'infinity'::timestamptz from tickets t where t.public_hash = $1
    union
    select g.kept, greatest(w.since, g.merged_at), least(w.until, coalesce(g.undone_at, 'infinity'))
      from ways w
      join conversation_merges g on g.merged = w.conversation
      join conversations m on m.id = g.merged
      join conversations k on k.id = g.kept and k.customer_id = m.customer_id
     where greatest(w.since, g.merged_at) < least(w.until, coalesce(g.undone_at, 'infinity'))
)
select t.id as ticket, t.conversation_id as conversation, coalesce(k.status, t.status) as status, t.subject,
       coalesce(k.category, t.category) as category, t.created_at,
       greatest(t.updated_at, c.last_message_at, k.updated_at, k.last_message_at) as last_updated,
       coalesce((select m.sender from messages m
                  where m.conversation_id = t.conversation_id and m.sender is not null order by m.seq desc limit 1),
                cu.email, cu.phone, '') as identifier,
       (select not s.verified and exists (select from conversations i where i.merged_into = s.id)
          from conversations s where s.id = standing(c.id)) as shared,
       coalesce((select jsonb_agg(jsonb_build_object('sender', m.role, 'name', m.name, 'content', m.content, 'at', m.created_at)
                                  order by m.created_at, m.seq)
                   from (select distinct m.id, m.seq, m.role, m.content, m.created_at,
                                case m.role when 'customer' then coalesce(c.name, '')
                                            when 'operator' then coalesce(o.name, '') else '' end as name
                           from ways w
                           join conversations there on there.id = w.conversation
                           join messages m on m.conversation_id = w.conversation
                           left join inbound i on i.message_id = m.id
                           left join operators o on o.id = m.operator_id
                          where case when m.direction = 'note' then false
                                     when m.direction = 'outbound'
                                     then m.delivery_status in ('sent', 'delivered', 'read')
                                          and m.created_at > w.since and m.created_at <= w.until
                                     when i.envelope ? 'page' then i.envelope ->> 'page' = t.id::text
                                     else w.conversation = t.conversation_id
                                          or there.verified and m.created_at > w.since and m.created_at <= w.until end
                          order by m.created_at desc, m.seq desc limit 200) m), '[]') as messages
  from tickets t
  join conversations c on c.id = t.conversation_id
  join customers cu on cu.id = t.customer_id
  left join lateral (
       select kt.conversation_id, kt.status, kt.category, kt.updated_at, kc.last_message_at
         from tickets kt join conversations kc on kc.id = kt.conversation_id
        where c.merged_into is not null and kt.conversation_id = standing(c.id)
        order by kt.created_at limit 1) k on true
 where t.public_hash = $1
