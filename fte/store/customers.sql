-- name: find
select customer_id from customer_identifiers where identifier_type = any ($1) and identifier_value = $2 limit 1

-- name: one
select cu.id, cu.name, cu.email, cu.phone, cu.created_at, cu.proven,
       coalesce((select jsonb_agg(jsonb_build_object('identifier_type', i.identifier_type,
                                                     'identifier_value', i.identifier_value,
                                                     'verified', i.verified) order by i.id)
                   from customer_identifiers i where i.customer_id = cu.id), '[]') as identifiers,
       coalesce((select jsonb_agg(jsonb_build_object('conversation_id', c.id, 'number', c.number, 'status', c.status,
                                                     'owner', c.owner, 'initial_channel', c.initial_channel,
                                                     'verified', c.verified, 'subject', c.subject,
                                                     'started_at', c.started_at, 'last_message_at', c.last_message_at)
                                  order by c.last_message_at desc)
                   from (select t.*, coalesce((select subject from tickets k where k.conversation_id = t.id
                                                order by k.created_at limit 1), '') as subject
                           from conversations t where t.customer_id = cu.id
                          order by t.last_message_at desc limit $2) c), '[]') as conversations
  from customers cu
 where cu.id = $1

-- name: merges
select g.id, g.kept, coalesce(k.name, k.email, k.phone, '') as kept_name,
       g.merged, coalesce(m.name, m.email, m.phone, '') as merged_name, g.proof, o.name as operator, g.merged_at, g.undone_at
  from customer_merges g
  join customers k on k.id = g.kept
  join customers m on m.id = g.merged
  left join operators o on o.id = g.operator_id
 where g.kept = $1 or g.merged = $1
 order by g.merged_at desc limit $2

-- name: duplicates
with me as (
    select id, name, phone from customers where id = $1
), mine as (
    select identifier_type, identifier_value from customer_identifiers where customer_id = $1
), hints as (
    select i.customer_id as id, 'same number' as why, 1 as rank
      from mine join customer_identifiers i on i.identifier_value = mine.identifier_value
     where mine.identifier_type <> 'email' and i.identifier_type <> 'email'
    union all
    select cu.id, 'same number', 1
      from mine join customers cu on cu.phone = mine.identifier_value where mine.identifier_type <> 'email'
    union all
    select i.customer_id, 'same number', 1
      from me join customer_identifiers i on i.identifier_value = me.phone and i.identifier_type <> 'email'
    union all
    select other.customer_id, 'refers to it', 2
      from conversations c join conversations other on other.linked_to = c.id where c.customer_id = $1
    union all
    select other.customer_id, 'refers to it', 2
      from conversations c join conversations other on other.id = c.linked_to where c.customer_id = $1
    union all
    (select cu.id, 'same name', 3
       from me join customers cu on lower(cu.name) = lower(me.name)
      where position(' ' in me.name) > 0 limit 50)
), best as (
    select distinct on (id) id, why, rank from hints where id <> $1 order by id, rank
)
select cu.id, coalesce(cu.name, cu.email, cu.phone, '') as name, best.why,
       coalesce((select jsonb_agg(jsonb_build_object('identifier_type', i.identifier_type,
                                                     'identifier_value', i.identifier_value,
                                                     'verified', i.verified) order by i.id)
                   from customer_identifiers i where i.customer_id = cu.id), '[]') as identifiers
  from best join customers cu on cu.id = best.id
 where exists (select from conversations c where c.customer_id = cu.id)
 order by best.rank, cu.id limit $2

-- name: search
-- Found by the keys, which the indexes know, and then looked at. Shorter texts are only what a word begins with.
select cu.id, cu.name, cu.email, cu.phone, cu.proven, t.conversations, t.newest, t.last_message_at
  from (select id
          from (select id from customers
                 where text_keys(coalesce(name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')) @> search_keys($1)
                   and ($2::text is null or name ilike $2 or email ilike $2 or phone ilike $2)
                union
                select id from customers
                 where text_keys(coalesce(name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')) @> search_keys($3)
                   and phone like $4
                union
                select customer_id from customer_identifiers
                 where text_keys(identifier_value) @> search_keys($1) and ($2::text is null or identifier_value ilike $2)
                union
                select customer_id from customer_identifiers
                 where text_keys(identifier_value) @> search_keys($3) and identifier_value like $4
                union
                select customer_id from customer_names
                 where text_keys(name) @> search_keys($1) and ($2::text is null or name ilike $2)) any_of_them
         limit $6) found
  join customers cu on cu.id = found.id
  cross join lateral (select count(*) as conversations, max(last_message_at) as last_message_at,
                             (array_agg(c.id order by c.last_message_at desc))[1] as newest
                        from conversations c where c.customer_id = cu.id) t
 order by t.last_message_at desc nulls last, cu.id limit $5
