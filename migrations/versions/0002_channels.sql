-- ---------------------------------------------------------------- what came in

alter table messages
    add column sender text,
    add column reason text;
comment on column messages.sender is 'the address or number a message of the customer came from';
comment on column messages.reason is 'why the outcome is what it is, where that is not obvious';

alter table inbound
    alter column message_id drop not null,
    alter column ticket_id drop not null,
    add column disposition text not null default 'message'
        check (disposition in ('message', 'machine', 'bounce', 'own', 'colleague', 'unreadable')),
    add column reason text,
    add column identifier text,
    add column envelope jsonb not null default '{}',
    add column sent_at timestamptz not null default now();
comment on column inbound.disposition is 'what it was: a customer''s message, an automatic mail, a bounce, our own, a colleague''s from another client';
comment on column inbound.identifier is 'what its sender is recognised by, where it is a customer''s message';
comment on column inbound.envelope is 'what the channel needs to answer it: thread, message id, references, subject';
comment on column inbound.sent_at is 'when the customer sent it, by the provider''s clock';
create index inbound_message on inbound (message_id);

create table attachments (
    id          uuid primary key,
    message_id  uuid not null references messages deferrable initially deferred,
    ordinal     integer not null,
    name        text not null,
    media_type  text not null,
    size        bigint,
    state       text not null check (state in ('stored', 'pending', 'refused', 'lost')),
    reason      text,
    source      text,
    content     bytea,
    attempts    integer not null default 0,
    due_at      timestamptz not null default now(),
    unique (message_id, ordinal)
);
comment on column attachments.source is 'where the provider keeps a pending one';
comment on column attachments.reason is 'why one was refused or lost';
create index attachments_pending on attachments (due_at) where state = 'pending';

-- ---------------------------------------------------------------- mail

create table mail_references (
    account    text not null,
    kind       text not null check (kind in ('thread', 'message')),
    value      text not null,
    ticket_id  uuid not null references tickets,
    primary key (account, kind, value)
);
comment on table mail_references is 'which ticket a Gmail thread or a Message-ID belongs to';

create table mailboxes (
    account           text primary key,
    history_id        numeric(20),
    dirty             boolean not null default true,
    next_sync_at      timestamptz not null default now(),
    synced_at         timestamptz,
    watch_expires_at  timestamptz,
    holder            uuid,
    held_until        timestamptz,
    mail              text,
    mail_tries        integer not null default 0
);
comment on column mailboxes.history_id is 'everything up to here is stored; never moves back';
comment on column mailboxes.held_until is 'until then only its holder reads it; without a holder: nobody does';
comment on column mailboxes.mail_tries is 'how often in a row that mail was begun: one that kills whoever reads it is passed over';

-- ---------------------------------------------------------------- WhatsApp

create table whatsapp_numbers (
    account       text primary key,
    read_until    timestamptz not null default now(),
    next_read_at  timestamptz not null default now()
);
comment on column whatsapp_numbers.read_until is 'messages up to here were compared with the provider''s list; never moves back';
comment on column whatsapp_numbers.next_read_at is 'when the list is read next, by whoever comes first';

create table channel_health (
    channel     channel not null,
    account     text not null,
    healthy     boolean not null,
    detail      text not null default '',
    changed_at  timestamptz not null default now(),
    checked_at  timestamptz not null default now(),
    primary key (channel, account)
);

-- ---------------------------------------------------------------- what goes out

alter table replies
    add column id uuid,
    add column kind text not null default 'answer' check (kind in ('answer', 'notice', 'code')),
    add column conversation_id uuid references conversations,
    add column channel channel,
    add column account text,
    add column recipient text,
    add column body text,
    add column lease_holder uuid,
    add column draft_id text,
    add column error text,
    add column window_closed boolean not null default false,
    add column queued_at timestamptz not null default now(),
    add column began_at timestamptz;
update replies r set id = r.message_id, channel = m.channel, conversation_id = m.conversation_id
  from messages m where m.id = r.message_id;
alter table replies
    drop constraint replies_pkey,
    drop constraint replies_turn_id_part_key,
    alter column id set not null,
    alter column channel set not null,
    alter column conversation_id set not null,
    add primary key (id);
create unique index replies_part on replies (message_id, kind, part);
create unique index replies_turn on replies (turn_id, part) where kind = 'answer';
create unique index replies_provider on replies (channel, provider_id) where provider_id is not null;
create index replies_leased on replies (lease_until) where state = 'sending';
create index replies_parked on replies (due_at) where state = 'unknown';
create index replies_before on replies (conversation_id) where state in ('queued', 'sending') and kind = 'answer';
comment on column replies.kind is 'an answer; a notice by mail that there is one; a code that proves an address';
comment on column replies.recipient is 'fixed recipient of a notice or code; an answer goes to whom the conversation is with';
comment on column replies.body is 'the text of this part; null: the whole message';
comment on column replies.began_at is 'when the newest try to send it began';
comment on column replies.window_closed is 'free text did not reach the customer: WhatsApp''s 24 hours were over';
comment on column replies.error is 'what went wrong last';
comment on column replies.draft_id is 'the provider''s draft, made before sending: it can be sent once';
comment on column replies.lease_until is 'while sending: whoever sends has until then, afterwards the provider is asked';

create table delivery_reports (
    channel      channel not null,
    provider_id  text not null,
    status       text not null,
    error        text,
    reply_id     uuid,
    received_at  timestamptz not null default now(),
    primary key (channel, provider_id, status)
);
comment on table delivery_reports is 'what providers said of messages, also of ones we do not know yet; the state follows from the set';

create table notices (
    address_hash  bytea not null,
    day           date not null,
    primary key (address_hash, day)
);
comment on table notices is 'one notice per address and day';

-- ---------------------------------------------------------------- one customer across channels

create table customer_merges (
    id            uuid primary key,
    kept          uuid not null references customers,
    merged        uuid not null references customers,
    proof         text not null check (proof in ('code', 'operator')),
    operator_id   uuid references operators,
    moved         jsonb not null,
    merged_at     timestamptz not null default now(),
    undone_at     timestamptz,
    undone_by     uuid references operators
);
comment on column customer_merges.moved is 'ids of the identifiers, conversations and tickets that changed hands';
create index customer_merges_kept on customer_merges (kept);
create index customer_merges_merged on customer_merges (merged);

create table link_codes (
    id                uuid primary key,
    conversation_id   uuid not null references conversations,
    identifier_type   text not null check (identifier_type in ('email', 'whatsapp')),
    identifier_value  text not null,
    code_hash         bytea not null,
    operator_id       uuid references operators,
    attempts          integer not null default 0,
    expires_at        timestamptz not null,
    used_at           timestamptz,
    read_seq          integer not null,
    created_at        timestamptz not null default now()
);
comment on column link_codes.read_seq is 'messages of the conversation up to here were looked at for the code';
comment on table link_codes is 'a code sent to one channel that, written back on another, proves both are one person''s';
create index link_codes_open on link_codes (conversation_id) where used_at is null;
create index link_codes_identifier on link_codes (identifier_type, identifier_value, created_at);

alter table customer_identifiers
    add column seen_at timestamptz not null default now(),
    add column name text;
comment on column customer_identifiers.name is 'what its holder was called when it was last proven';
comment on column customer_identifiers.identifier_value is 'the key: one for all spellings of an address or number';
comment on column customer_identifiers.seen_at is 'when it was last proven';

alter table customers add column proven boolean not null default false;
comment on column customers.proven is 'the name is that of somebody who proved an identifier; otherwise anybody may have typed it';
create index customers_named on customers (lower(name));
create index customers_phone on customers (phone) where phone is not null;

alter table conversations add column name text;
comment on column conversations.name is 'what the customer is called here: a claimed name stays in the conversation it was typed in';
update conversations c set name = cu.name from customers cu where cu.id = c.customer_id;

alter table conversations add column linked_to uuid references conversations;
comment on column conversations.linked_to is 'the conversation a stranger''s mail referred to: shown beside it, never joined';
create index conversations_linked on conversations (linked_to) where linked_to is not null;

-- ---------------------------------------------------------------- intake

drop function intake;

create function intake(
    p_channel text, p_account text, p_provider_id text, p_raw bytea,
    p_identifier_type text, p_key text, p_verified boolean, p_name text,
    p_into_ticket uuid, p_linked_to uuid, p_sender text, p_envelope jsonb, p_sent_at timestamptz, p_suppress text,
    p_customer uuid, p_conversation uuid, p_ticket uuid, p_public_hash bytea, p_message uuid, p_turn uuid,
    p_subject text, p_category text, p_priority text, p_body text, p_sentiment real,
    p_quiet interval, p_quiet_limit interval, p_inbound_topic text,
    out o_duplicate boolean, out o_conversation uuid, out o_ticket uuid, out o_message uuid, out o_code boolean
) language plpgsql as $$
declare
    v_customer uuid;
    v_joins boolean;
    v_linked_to uuid := p_linked_to;
    v_owner text := 'ai';
    v_seq integer := 1;
    v_turn uuid;
    v_due timestamptz;
    v_fact jsonb;
begin
    o_duplicate := false;
    o_code := false;
    o_message := p_message;
    o_ticket := coalesce(p_into_ticket, p_ticket);

    insert into inbound (channel, account, provider_id, message_id, ticket_id, raw, identifier, envelope, sent_at)
    values (p_channel, p_account, p_provider_id, p_message, o_ticket, p_raw, p_key, p_envelope, coalesce(p_sent_at, now()))
    on conflict do nothing;
    if not found then
        select i.message_id, i.ticket_id, t.conversation_id into o_message, o_ticket, o_conversation
          from inbound i left join tickets t on t.id = i.ticket_id
         where i.channel = p_channel and i.account = p_account and i.provider_id = p_provider_id;
        o_duplicate := true;
        return;
    end if;

    if p_into_ticket is not null then
        -- Whoever has a ticket's address may write on its page. Otherwise only its customer continues a conversation,
        -- and a claimed one is never continued by somebody proven, nor the reverse: they may be two people.
        select c.id, p_channel = 'web_form' or (c.verified = p_verified and exists (
                   select from customer_identifiers i
                    where i.identifier_type = p_identifier_type and i.identifier_value = p_key
                      and i.customer_id = c.customer_id and (i.verified or not p_verified)))
          into strict o_conversation, v_joins
          from tickets t join conversations c on c.id = t.conversation_id
         where t.id = p_into_ticket;
        if not v_joins then
            v_linked_to := coalesce(p_linked_to, o_conversation);
            o_conversation := null;
            o_ticket := p_ticket;
        end if;
    end if;

    if o_conversation is null then
        -- Taking the identifier is also the lock that makes simultaneous first contacts one customer. It leaves its
        -- customer when it is proven for the first time beside others that were proven without it, and when a number
        -- comes back under another name after the 45 days from which on a number may be given to somebody else.
        insert into customer_identifiers as known (customer_id, identifier_type, identifier_value, verified, name)
        values (p_customer, p_identifier_type, p_key, p_verified, case when p_verified then nullif(p_name, '') end)
        on conflict (identifier_type, identifier_value) do update
           set verified = known.verified or excluded.verified,
               seen_at = case when excluded.verified then now() else known.seen_at end,
               name = coalesce(excluded.name, known.name),
               customer_id = case
                   when excluded.verified and not known.verified and exists (
                       select from customer_identifiers other where other.customer_id = known.customer_id and other.verified)
                     or excluded.verified and known.verified and known.identifier_type <> 'email'
                       and known.seen_at < now() - interval '45 days'
                       and not coalesce(lower(excluded.name) = lower(known.name), false)
                   then excluded.customer_id else known.customer_id end
        returning customer_id into v_customer;
        if v_customer = p_customer then
            insert into customers (id, email, phone, name, proven)
            values (v_customer, case when p_identifier_type = 'email' then p_sender end,
                    case when p_identifier_type <> 'email' then p_sender end, nullif(p_name, ''), p_verified);
        elsif p_verified then
            update customers
               set proven = true, name = nullif(p_name, ''),
                   email = case when p_identifier_type = 'email' and not proven then p_sender else email end,
                   phone = case when p_identifier_type <> 'email' and not proven then p_sender else phone end
             where id = v_customer and (not proven or (name is null and p_name <> ''));
        end if;
        if p_verified then
            select c.id, t.id into o_conversation, o_ticket
              from conversations c join tickets t on t.conversation_id = c.id
             where c.customer_id = v_customer and c.verified and c.last_message_at > now() - interval '24 hours'
             order by c.last_message_at desc, t.created_at desc limit 1;
            if o_conversation is null then
                o_ticket := p_ticket;
            end if;
        end if;
    end if;

    if o_conversation is null then
        o_conversation := p_conversation;
        insert into conversations (id, customer_id, initial_channel, verified, name, last_seq, last_inbound_seq,
                                   answered_seq, sentiment_score, linked_to)
        values (o_conversation, v_customer, p_channel, p_verified, nullif(p_name, ''), 1, 1,
                (p_suppress is not null)::int, p_sentiment, v_linked_to);
        insert into tickets (id, public_hash, conversation_id, customer_id, source_channel, subject, category, priority)
        values (o_ticket, p_public_hash, o_conversation, v_customer, p_channel, p_subject, p_category, p_priority);
    else
        update conversations c
           set last_seq = c.last_seq + 1, last_inbound_seq = c.last_seq + 1, last_message_at = now(),
               name = coalesce(c.name, nullif(p_name, '')), linked_to = coalesce(c.linked_to, v_linked_to),
               status = case when c.status = 'resolved' and p_suppress is null then 'open' else c.status end,
               ended_at = case when p_suppress is null then null else c.ended_at end,
               resolution_type = case when p_suppress is null then null else c.resolution_type end,
               answered_seq = case when p_suppress is not null and c.answered_seq >= c.last_inbound_seq
                                   then c.last_seq + 1 else c.answered_seq end,
               sentiment_score = p_sentiment
         where c.id = o_conversation
        returning c.last_seq, c.owner into v_seq, v_owner;
        o_code := exists (select from link_codes l where l.conversation_id = o_conversation and l.used_at is null
                                                     and l.expires_at > now());
    end if;

    if o_ticket <> coalesce(p_into_ticket, p_ticket) then
        update inbound i set ticket_id = o_ticket
         where i.channel = p_channel and i.account = p_account and i.provider_id = p_provider_id;
    end if;

    insert into messages (id, conversation_id, seq, channel, direction, role, content, sentiment, outcome, reason, sender,
                          channel_message_id)
    values (p_message, o_conversation, v_seq, p_channel, 'inbound', 'customer', p_body, p_sentiment,
            case when p_suppress is not null then 'suppressed' when v_owner = 'human' then 'handed_over' end,
            p_suppress, p_sender, p_provider_id);

    if v_owner = 'ai' and p_suppress is null then
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
         where t.id = o_ticket and p_suppress is null;
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

-- ---------------------------------------------------------------- notices: an answer on the form's page is told by mail

create function announce_on_form() returns trigger language plpgsql as $$
declare
    v_sender text;
    v_key text;
begin
    if not exists (select from mailboxes) then
        return null;
    end if;
    select m.sender, i.identifier into v_sender, v_key
      from messages m join inbound i on i.message_id = m.id
     where m.conversation_id = new.conversation_id and m.direction = 'inbound' and m.channel = 'web_form'
     order by m.seq desc limit 1;
    if v_sender is null or v_key is null then
        return null;
    end if;
    insert into notices (address_hash, day) values (sha256(v_key::bytea), current_date) on conflict do nothing;
    if found then  -- once per address and day
        insert into replies (id, message_id, conversation_id, kind, epoch, state, channel, recipient)
        values (gen_random_uuid(), new.message_id, new.conversation_id, 'notice', new.epoch, 'queued', 'email', v_sender);
    end if;
    return null;
end
$$;
create trigger announce_on_form after insert on replies for each row
    when (new.channel = 'web_form' and new.kind = 'answer' and new.part = 0)
    execute function announce_on_form();
