create extension if not exists vector;

create domain channel as text check (value in ('email', 'whatsapp', 'web_form'));

-- ---------------------------------------------------------------- people

create table customers (
    id          uuid primary key,
    email       text,
    phone       text,
    name        text,
    created_at  timestamptz not null default now(),
    metadata    jsonb not null default '{}'
);

create table customer_identifiers (
    id                bigint generated always as identity primary key,
    customer_id       uuid not null references customers deferrable initially deferred,
    identifier_type   text not null check (identifier_type in ('email', 'phone', 'whatsapp')),
    identifier_value  text not null,
    verified          boolean not null default false,
    created_at        timestamptz not null default now(),
    unique (identifier_type, identifier_value)
);
create index customer_identifiers_customer on customer_identifiers (customer_id);

create table operators (
    id          uuid primary key,
    name        text not null,
    role        text not null check (role in ('observer', 'agent', 'lead', 'admin')),
    token_hash  bytea not null unique,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz,
    revoked_at  timestamptz
);

create unique index operators_name on operators (name) where revoked_at is null;

-- ---------------------------------------------------------------- conversations

create table conversations (
    id                uuid primary key,
    number            bigint generated always as identity unique,
    customer_id       uuid not null references customers deferrable initially deferred,
    initial_channel   channel not null,
    status            text not null default 'open' check (status in ('open', 'escalated', 'resolved')),
    owner             text not null default 'ai' check (owner in ('ai', 'human')),
    epoch             integer not null default 0,
    operator_id       uuid references operators,
    verified          boolean not null default false,
    last_seq          integer not null default 0,
    last_inbound_seq  integer not null default 0,
    answered_seq      integer not null default 0,
    sentiment_score   real,
    escalation_reason text,
    escalation_urgency text,
    escalation_brief  jsonb,
    escalated_at      timestamptz,
    escalated_to      text,
    resolution_type   text,
    started_at        timestamptz not null default now(),
    last_message_at   timestamptz not null default now(),
    ended_at          timestamptz,
    metadata          jsonb not null default '{}'
);
comment on column conversations.verified is 'the customer''s identity was proven; a form''s address is only claimed';
comment on column conversations.answered_seq is 'messages of the customer up to here have been dealt with';
create index conversations_customer on conversations (customer_id, last_message_at desc);
create index conversations_recent on conversations (last_message_at desc) where owner = 'ai' and status <> 'resolved';
create index conversations_with_people on conversations (last_message_at) where owner = 'human' and status <> 'resolved';
create index conversations_resolved on conversations (last_message_at desc) where status = 'resolved';

create table tickets (
    id                uuid primary key,
    number            bigint generated always as identity unique,
    public_hash       bytea not null unique,
    conversation_id   uuid not null references conversations deferrable initially deferred,
    customer_id       uuid not null references customers deferrable initially deferred,
    source_channel    channel not null,
    subject           text not null default '',
    category          text not null default 'general',
    priority          text not null default 'medium' check (priority in ('low', 'medium', 'high')),
    status            text not null default 'open'
                      check (status in ('open', 'processing', 'waiting_customer', 'escalated', 'resolved')),
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    resolved_at       timestamptz,
    resolution_notes  text
);
create index tickets_conversation on tickets (conversation_id);

create table turns (
    id               uuid primary key,
    conversation_id  uuid not null references conversations deferrable initially deferred,
    ticket_id        uuid not null references tickets deferrable initially deferred,
    channel          channel not null,
    state            text not null default 'due' check (state in ('due', 'running', 'done', 'cancelled')),
    due_at           timestamptz not null default now(),
    attempts         integer not null default 0,
    discards         integer not null default 0,
    lease_holder     uuid,
    lease_until      timestamptz,
    created_at       timestamptz not null default now(),
    finished_at      timestamptz
);
comment on table turns is 'one answer owed; at most one open per conversation';
create unique index turns_open on turns (conversation_id) where state in ('due', 'running');
create index turns_due on turns (due_at) where state = 'due';
create index turns_leased on turns (lease_until) where state = 'running';

create table runs (
    id                    uuid primary key,
    turn_id               uuid not null references turns,
    conversation_id       uuid not null references conversations,
    attempt               integer not null,
    outcome               text not null check (outcome in ('answered', 'escalated', 'discarded', 'failed')),
    model                 text not null,
    instructions_version  text not null,
    trace                 jsonb not null default '{}',
    input_tokens          integer not null default 0,
    output_tokens         integer not null default 0,
    latency_ms            integer not null default 0,
    error                 text,
    created_at            timestamptz not null default now()
);
comment on table runs is 'one pass of the agent over a turn, with everything needed to explain it';
create index runs_conversation on runs (conversation_id, created_at);

create table messages (
    id                  uuid primary key,
    conversation_id     uuid not null references conversations deferrable initially deferred,
    seq                 integer not null,
    channel             channel not null,
    direction           text not null check (direction in ('inbound', 'outbound', 'note')),
    role                text not null check (role in ('customer', 'agent', 'operator', 'system')),
    content             text not null,
    operator_id         uuid references operators,
    run_id              uuid references runs,
    sentiment           real,
    outcome             text check (outcome in ('answered', 'escalated', 'handed_over', 'suppressed', 'dead')),
    tokens_used         integer,
    latency_ms          integer,
    tool_calls          jsonb,
    channel_message_id  text,
    delivery_status     text,
    created_at          timestamptz not null default now(),
    unique (conversation_id, seq)
);
comment on column messages.outcome is 'what became of a message of the customer; null: not decided yet';

create table inbound (
    channel      channel not null,
    account      text not null,
    provider_id  text not null,
    message_id   uuid not null references messages deferrable initially deferred,
    ticket_id    uuid not null references tickets deferrable initially deferred,
    raw          bytea,
    received_at  timestamptz not null default now(),
    primary key (channel, account, provider_id)
);
comment on table inbound is 'what providers delivered: a provider''s id is taken in once';
comment on column inbound.raw is 'the text as it came, where cleaning changed it';

create table replies (
    message_id   uuid primary key references messages,
    turn_id      uuid references turns,
    part         integer not null default 0,
    epoch        integer not null,
    state        text not null check (state in ('draft', 'queued', 'sending', 'sent', 'delivered', 'read',
                                                'failed', 'unknown', 'superseded', 'cancelled')),
    due_at       timestamptz not null default now(),
    attempts     integer not null default 0,
    lease_until  timestamptz,
    provider_id  text,
    updated_at   timestamptz not null default now(),
    unique (turn_id, part)
);
comment on table replies is 'the delivery state of what we say; never more than one reply per turn and part';
create index replies_queued on replies (due_at) where state = 'queued';

-- ---------------------------------------------------------------- knowledge

create table documents (
    id            uuid primary key,
    source        text not null unique,
    title         text not null,
    category      text not null default 'general',
    content_hash  bytea not null,
    embedder      text not null,
    imported_at   timestamptz not null default now()
);

create table knowledge_base (
    id           uuid primary key,
    document_id  uuid not null references documents on delete cascade,
    ordinal      integer not null,
    title        text not null,
    content      text not null,
    category     text not null default 'general',
    embedding    vector(256),
    search       tsvector generated always as (
                     setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', content), 'B')
                 ) stored,
    unique (document_id, ordinal)
);
comment on table knowledge_base is 'passages: what a search finds and an answer may quote';
create index knowledge_base_search on knowledge_base using gin (search) with (fastupdate = off);
create index knowledge_base_embedding on knowledge_base using hnsw (embedding vector_cosine_ops);

-- ---------------------------------------------------------------- the log and who reads it

create table log (
    position  bigint generated always as identity primary key,
    tx        xid8 not null default pg_current_xact_id(),
    id        uuid not null default gen_random_uuid(),
    topic     text not null,
    key       text not null,
    type      text not null,
    payload   jsonb not null,
    at        timestamptz not null default now()
);
comment on table log is 'every announced change, appended in the transaction that made it';
create index log_tx on log (tx, position);

create table log_pruned (before_tx xid8 not null);
insert into log_pruned values ('0');
comment on table log_pruned is 'events of older transactions are no longer kept';

create table cursors (
    group_name  text primary key,
    seen        pg_snapshot not null default '3:3:',
    until       pg_snapshot,
    position    bigint not null default 0,
    holder      uuid,
    held_until  timestamptz
);
comment on table cursors is 'how far each consumer group has come; one process reads for a group at a time';

create table dead_letters (
    id          bigint generated always as identity primary key,
    event_id    uuid not null,
    group_name  text not null,
    topic       text not null,
    key         text not null,
    event       jsonb not null,
    error       text not null,
    attempts    integer not null,
    created_at  timestamptz not null default now(),
    unique (event_id, group_name)
);

-- ---------------------------------------------------------------- operation

create table audit (
    id               bigint generated always as identity primary key,
    operator_id      uuid references operators,
    action           text not null,
    conversation_id  uuid references conversations,
    idempotency_key  text,
    request_hash     bytea,
    details          jsonb not null default '{}',
    result           jsonb,
    at               timestamptz not null default now(),
    unique (operator_id, idempotency_key)
);
create index audit_conversation on audit (conversation_id, at);

create table channel_configs (
    channel              channel primary key,
    enabled              boolean not null default true,
    config               jsonb not null default '{}',
    response_template    text,
    max_response_length  integer
);
insert into channel_configs (channel, max_response_length)
values ('email', 500), ('whatsapp', 300), ('web_form', 300);

create table agent_metrics (
    id            bigint generated always as identity primary key,
    metric_name   text not null,
    metric_value  double precision not null,
    channel       channel,
    dimensions    jsonb not null default '{}',
    recorded_at   timestamptz not null default now()
);
create index agent_metrics_name on agent_metrics (metric_name, recorded_at);

-- ---------------------------------------------------------------- intake: a customer's message, one round trip

create function intake(
    p_channel text, p_account text, p_provider_id text, p_raw bytea,
    p_identifier_type text, p_identifier text, p_verified boolean, p_name text,
    p_into_ticket uuid,
    p_customer uuid, p_conversation uuid, p_ticket uuid, p_public_hash bytea, p_message uuid, p_turn uuid,
    p_subject text, p_category text, p_priority text, p_body text, p_sentiment real,
    p_quiet interval, p_quiet_limit interval, p_inbound_topic text,
    out o_duplicate boolean, out o_conversation uuid, out o_ticket uuid, out o_message uuid
) language plpgsql as $$
declare
    v_customer uuid;
    v_owner text := 'ai';
    v_seq integer := 1;
    v_turn uuid;
    v_due timestamptz;
    v_fact jsonb;
begin
    o_duplicate := false;
    o_message := p_message;
    o_ticket := coalesce(p_into_ticket, p_ticket);

    insert into inbound (channel, account, provider_id, message_id, ticket_id, raw)
    values (p_channel, p_account, p_provider_id, p_message, o_ticket, p_raw)
    on conflict do nothing;
    if not found then
        select i.message_id, i.ticket_id, t.conversation_id into o_message, o_ticket, o_conversation
          from inbound i join tickets t on t.id = i.ticket_id
         where i.channel = p_channel and i.account = p_account and i.provider_id = p_provider_id;
        o_duplicate := true;
        return;
    end if;

    if p_into_ticket is not null then
        select t.conversation_id, t.customer_id into strict o_conversation, v_customer
          from tickets t where t.id = p_into_ticket;
    else
        -- Taking the identifier is also the lock that makes simultaneous first contacts one customer.
        insert into customer_identifiers as known (customer_id, identifier_type, identifier_value, verified)
        values (p_customer, p_identifier_type, p_identifier, p_verified)
        on conflict (identifier_type, identifier_value)
            do update set verified = known.verified or excluded.verified
        returning customer_id into v_customer;
        if v_customer = p_customer then
            insert into customers (id, email, phone, name)
            values (v_customer, case when p_identifier_type = 'email' then p_identifier end,
                    case when p_identifier_type <> 'email' then p_identifier end, p_name);
        end if;
        if p_verified then
            select c.id, t.id into o_conversation, o_ticket
              from conversations c join tickets t on t.conversation_id = c.id
             where c.customer_id = v_customer and c.verified and c.last_message_at > now() - interval '24 hours'
             order by c.last_message_at desc, t.created_at desc limit 1;
            if o_conversation is null then
                o_ticket := p_ticket;
            else
                update inbound i set ticket_id = o_ticket
                 where i.channel = p_channel and i.account = p_account and i.provider_id = p_provider_id;
            end if;
        end if;
    end if;

    if o_conversation is null then
        o_conversation := p_conversation;
        insert into conversations (id, customer_id, initial_channel, verified, last_seq, last_inbound_seq, sentiment_score)
        values (o_conversation, v_customer, p_channel, p_verified, 1, 1, p_sentiment);
        insert into tickets (id, public_hash, conversation_id, customer_id, source_channel, subject, category, priority)
        values (o_ticket, p_public_hash, o_conversation, v_customer, p_channel, p_subject, p_category, p_priority);
    else
        update conversations c
           set last_seq = c.last_seq + 1, last_inbound_seq = c.last_seq + 1, last_message_at = now(),
               status = case when c.status = 'resolved' then 'open' else c.status end,
               ended_at = null, resolution_type = null, sentiment_score = p_sentiment
         where c.id = o_conversation
        returning c.last_seq, c.owner into v_seq, v_owner;
    end if;

    insert into messages (id, conversation_id, seq, channel, direction, role, content, sentiment, outcome, channel_message_id)
    values (p_message, o_conversation, v_seq, p_channel, 'inbound', 'customer', p_body, p_sentiment,
            case when v_owner = 'human' then 'handed_over' end, p_provider_id);

    if v_owner = 'ai' then
        insert into turns as open_turn (id, conversation_id, ticket_id, channel, due_at)
        values (p_turn, o_conversation, o_ticket, p_channel, now() + p_quiet)
        on conflict (conversation_id) where state in ('due', 'running')
            do update set due_at = case when open_turn.state = 'due'
                                        then least(excluded.due_at, open_turn.created_at + p_quiet_limit)
                                        else open_turn.due_at end,
                          channel = excluded.channel
        returning id, due_at into v_turn, v_due;
    end if;

    if v_seq > 1 then  -- locks are taken in one order everywhere: conversation, turn, ticket
        update tickets t
           set updated_at = now(), resolved_at = null, resolution_notes = null,
               status = case when v_owner = 'human' then 'escalated' else 'open' end
         where t.id = o_ticket;
    end if;

    v_fact := jsonb_build_object('conversation_id', o_conversation, 'ticket_id', o_ticket, 'message_id', p_message,
                                 'seq', v_seq, 'channel', p_channel);
    insert into log (topic, key, type, payload)
    select e.topic, o_conversation::text, e.type, e.payload
      from (values ('fte.conversations', 'message.received', v_fact || jsonb_build_object('owner', v_owner)),
                   (p_inbound_topic, 'message.received', v_fact),
                   ('fte.tickets.incoming', 'turn.due', v_fact || jsonb_build_object('turn_id', v_turn, 'due_at', v_due))
           ) as e (topic, type, payload)
     where e.type <> 'turn.due' or v_turn is not null;
end
$$;
