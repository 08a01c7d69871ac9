-- ---------------------------------------------------------------- what operators say about a ticket

alter table tickets
    add column tags text[] not null default '{}',
    add column priority_set boolean not null default false,
    add column category_set boolean not null default false,
    add column resolution text check (resolution in ('solved', 'no_answer_needed', 'duplicate', 'spam', 'other'));
comment on column tickets.priority_set is 'a person chose the priority, so the AI no longer changes it';
comment on column tickets.category_set is 'a person chose the category, so the AI no longer changes it';
comment on column tickets.resolution is 'how the matter ended, where a person closed it';
create index tickets_tags on tickets using gin (tags) with (fastupdate = off) where tags <> '{}';

create function forget_resolution() returns trigger language plpgsql as $$
begin
    new.resolution := null;
    return new;
end
$$;
create trigger forget_resolution before update of status on tickets for each row
    when (old.status = 'resolved' and new.status <> 'resolved')
    execute function forget_resolution();

create function announce_ticket() returns trigger language plpgsql as $$
begin
    insert into log (topic, key, type, payload)
    values ('fte.conversations', new.conversation_id::text, 'ticket.changed',
            jsonb_build_object('conversation_id', new.conversation_id, 'ticket_id', new.id, 'priority', new.priority,
                               'category', new.category, 'tags', new.tags,
                               'was', jsonb_build_object('priority', old.priority, 'category', old.category, 'tags', old.tags)));
    return null;
end
$$;
create trigger announce_ticket after update of priority, category, tags on tickets for each row
    when ((old.priority, old.category, old.tags) is distinct from (new.priority, new.category, new.tags))
    execute function announce_ticket();

-- ---------------------------------------------------------------- colleagues named in a note

create table mentions (
    message_id       uuid not null references messages,
    operator_id      uuid not null references operators,
    conversation_id  uuid not null references conversations,
    at               timestamptz not null default now(),
    seen_at          timestamptz,
    primary key (message_id, operator_id)
);
comment on column mentions.seen_at is 'when the colleague first did something in the conversation after that';
create index mentions_operator on mentions (operator_id) where seen_at is null;
create index mentions_conversation on mentions (conversation_id) where seen_at is null;

-- ---------------------------------------------------------------- answers written once

create table canned_replies (
    key         text primary key,
    title       text not null,
    body        text not null,
    channel     channel,
    language    text,
    updated_at  timestamptz not null default now(),
    updated_by  uuid references operators
);
comment on column canned_replies.channel is 'offered on this channel only; null: on all';

-- ---------------------------------------------------------------- conversations made one

alter table conversations add column merged_into uuid references conversations;
comment on column conversations.merged_into is 'the conversation this one goes on in; nothing new comes here';
create index conversations_merged on conversations (merged_into) where merged_into is not null;

create table conversation_merges (
    id           uuid primary key,
    kept         uuid not null references conversations,
    merged       uuid not null references conversations,
    operator_id  uuid references operators,
    before       jsonb not null,
    merged_at    timestamptz not null default now(),
    undone_at    timestamptz,
    undone_by    uuid references operators
);
comment on column conversation_merges.before is 'what an undoing brings back: states and owners, no text';
create unique index conversation_merges_open on conversation_merges (merged) where undone_at is null;

create function standing(p_conversation uuid) returns uuid language sql stable as $$
    with recursive way (id, next) as (
        select id, merged_into from conversations where id = p_conversation
        union all
        select c.id, c.merged_into from way join conversations c on c.id = way.next
    )
    select id from way where next is null
$$;
comment on function standing is 'the conversation one goes on in: itself, unless it was merged';

create function standing_ticket(p_ticket uuid) returns uuid language sql stable as $$
    select case when c.merged_into is null then t.id
                else (select k.id from tickets k where k.conversation_id = standing(c.id) order by k.created_at limit 1) end
      from tickets t join conversations c on c.id = t.conversation_id
     where t.id = p_ticket
$$;

-- A message that was on its way while its conversation was merged. As if transactions had collided: intake begins anew,
-- and then finds the conversation that was kept.
create function nothing_new_here() returns trigger language plpgsql as $$
begin
    raise exception 'conversation % was merged', new.id using errcode = 'serialization_failure';
end
$$;
create trigger nothing_new_here before update of last_inbound_seq on conversations for each row
    when (old.merged_into is not null and new.merged_into is not null and new.last_inbound_seq > old.last_inbound_seq)
    execute function nothing_new_here();

-- When the customer becomes two again, conversations of both are not one.
create function part_strangers() returns trigger language plpgsql as $$
begin
    with parted as (
        update conversations m set merged_into = null
          from conversations k
         where k.id = m.merged_into and (m.id = new.id or k.id = new.id) and m.customer_id <> k.customer_id
        returning m.id
    )
    update conversation_merges set undone_at = now() where merged in (select id from parted) and undone_at is null;
    return null;
end
$$;
create trigger part_strangers after update of customer_id on conversations for each row
    when (old.customer_id <> new.customer_id)
    execute function part_strangers();

-- ---------------------------------------------------------------- a conversation's own events, for the inspector

-- By the payload, for where a turn begins the key is the turn's.
create index log_conversation on log ((payload ->> 'conversation_id'), position) where topic = 'fte.conversations';
