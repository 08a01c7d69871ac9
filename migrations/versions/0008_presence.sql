-- ---------------------------------------------------------------- presence: who is there

alter table operators
    add column seen_at timestamptz,
    add column duty text not null default 'auto' check (duty in ('auto', 'on', 'off')),
    add column duty_at timestamptz not null default now();
comment on column operators.seen_at is 'when something was last heard of them: a request, or a stream that was open';
comment on column operators.duty is 'what they said: on duty, off duty, or nothing (auto): then being there is being on duty';

create unlogged table attention (
    conversation_id  uuid not null references conversations on delete cascade,
    operator_id      uuid not null references operators,
    doing            text not null check (doing in ('viewing', 'writing')),
    until            timestamptz not null,
    told             text,
    told_at          timestamptz,
    primary key (conversation_id, operator_id)
);
comment on table attention is 'who looks at or writes in which conversation: a hint that runs out in seconds';
comment on column attention.told is 'what was announced last';

-- ---------------------------------------------------------------- hands: whose word counts, by epoch

create table hands (
    conversation_id  uuid not null references conversations,
    epoch            integer not null,
    owner            text not null check (owner in ('ai', 'human')),
    operator_id      uuid references operators,
    at               timestamptz not null default clock_timestamp(),
    why              text,
    by               uuid references operators,
    primary key (conversation_id, epoch)
);
comment on table hands is 'every change of owner: who has the conversation from this epoch on, since when, and whose doing it was';
comment on column hands.at is 'read under the conversation''s lock, so what began later than this came after the change';
comment on column hands.by is 'the operator who did it; null: nobody''s key press';

insert into hands (conversation_id, epoch, owner, operator_id, at)
select id, epoch, owner, operator_id, now() from conversations where owner = 'human';

create index conversations_claimed on conversations (operator_id) where operator_id is not null;

create function remember_hands() returns trigger language plpgsql as $$
begin
    insert into hands (conversation_id, epoch, owner, operator_id)
    values (new.id, new.epoch, new.owner, new.operator_id)
    on conflict (conversation_id, epoch) do update
        set owner = excluded.owner, operator_id = excluded.operator_id, at = excluded.at;
    return null;
end
$$;
create trigger remember_hands after update of owner, operator_id, epoch on conversations for each row
    when ((old.owner, old.operator_id, old.epoch) is distinct from (new.owner, new.operator_id, new.epoch))
    execute function remember_hands();

create table releases (
    conversation_id  uuid not null references conversations,
    epoch            integer not null,
    operator_id      uuid references operators,
    brief            jsonb not null,
    at               timestamptz not null default now(),
    primary key (conversation_id, epoch)
);
comment on table releases is 'what the agent is told of the time a person spoke; never sent to the customer';

-- ---------------------------------------------------------------- the fence, watched

create table breaches (
    reply_id         uuid primary key references replies,
    conversation_id  uuid not null references conversations,
    began_at         timestamptz not null,
    taken_at         timestamptz not null,
    at               timestamptz not null default now()
);
comment on table breaches is 'AI replies a provider accepted although a person had taken over before their sending began: must stay empty';

create function watch_the_fence() returns trigger language plpgsql as $$
begin
    insert into breaches (reply_id, conversation_id, began_at, taken_at)
    select new.id, new.conversation_id, new.began_at, h.at
      from messages m
      join hands h on h.conversation_id = new.conversation_id and h.owner = 'human' and h.epoch > new.epoch
     where m.id = new.message_id and m.role = 'agent' and h.at < new.began_at
     order by h.epoch limit 1
    on conflict do nothing;
    return null;
end
$$;
create trigger watch_the_fence after update of state on replies for each row
    when (new.kind = 'answer' and new.provider_id is not null and old.state in ('queued', 'sending', 'unknown')
          and new.state in ('sent', 'delivered', 'read', 'failed'))
    execute function watch_the_fence();
