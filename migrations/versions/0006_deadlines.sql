-- ---------------------------------------------------------------- deadlines

create table deadline_policy (
    only_row   boolean primary key default true check (only_row),
    hours      text not null default '',
    deadlines  text not null default ''
);
insert into deadline_policy default values;
comment on table deadline_policy is 'opening hours and goals as the daemon that started last was told them';

alter table conversations
    add column waiting_since timestamptz,
    add column answered_at timestamptz,
    add column window_until timestamptz,
    add column snoozed_until timestamptz,
    add column resolution_from timestamptz not null default now(),
    add column paused_at timestamptz,
    add column pauses tstzmultirange not null default '{}',
    add column paused_for interval not null default '0',
    add column clocks jsonb not null default '{}',
    add column due_at timestamptz,
    add column due_kind text check (due_kind in ('first_response', 'next_response', 'resolution', 'window')),
    add column warned text[] not null default '{}',
    add column breached text[] not null default '{}',
    add column next_alarm_at timestamptz,
    add column clocks_stale_at timestamptz default now();
comment on column conversations.waiting_since is 'when the oldest message came that no answer has reached the customer for';
comment on column conversations.answered_at is 'when an answer reached the customer first; being told that a person takes over is none';
comment on column conversations.window_until is 'when WhatsApp stops taking free text, where the customer wrote there last';
comment on column conversations.snoozed_until is 'put aside by an operator until then';
comment on column conversations.paused_at is 'since when the resolution''s clock stands still';
comment on column conversations.pauses is 'when it stood still, as far as paused_for does not count it';
comment on column conversations.paused_for is 'for how long of business time it stood still';
comment on column conversations.clocks is 'the running clocks: what is due when, by kind';
comment on column conversations.due_at is 'the soonest of them';
comment on column conversations.warned is 'the running clocks that were warned of';
comment on column conversations.breached is 'the running clocks whose breach was announced';
comment on column conversations.next_alarm_at is 'when there is something to announce next';
comment on column conversations.clocks_stale_at is 'since when what the clocks depend on has changed and they have not been counted anew';

create function answers(m messages) returns boolean language sql stable as $$
    select m.direction = 'outbound' and m.role in ('agent', 'operator') and m.delivery_status in ('sent', 'delivered', 'read')
       and not exists (select from runs r where r.id = m.run_id and r.outcome in ('escalated', 'failed'))
$$;
comment on function answers is 'whether a message is an answer that has reached the customer: a notice that a person will answer is none';

-- Of what was going on before: what was paused when is not known, so resolutions count from here on.
update conversations c
   set answered_at = (select min(m.created_at) from messages m where m.conversation_id = c.id and answers(m)),
       window_until = (select case m.channel when 'whatsapp' then i.sent_at + interval '24 hours' end
                         from messages m join inbound i on i.message_id = m.id
                        where m.conversation_id = c.id and m.direction = 'inbound' order by m.seq desc limit 1),
       waiting_since = case when c.status <> 'resolved' then
           (select min(m.created_at) from messages m
             where m.conversation_id = c.id and m.direction = 'inbound' and m.outcome is distinct from 'suppressed'
               and m.seq > coalesce((select max(a.seq) from messages a where a.conversation_id = c.id and answers(a)), 0)) end;
update conversations set paused_at = now() where status = 'resolved' or waiting_since is null;
set constraints all immediate;  -- what is to be checked of these rows would stand in the way of an index
set constraints all deferred;

create index conversations_due on conversations (due_at, id)
    where status <> 'resolved' and snoozed_until is null and due_at is not null and (owner = 'human' or due_kind = any (warned));
create index conversations_alarms on conversations (next_alarm_at) where next_alarm_at is not null;
create index conversations_stale on conversations (clocks_stale_at) where clocks_stale_at is not null;
create index conversations_snoozed on conversations (snoozed_until, id) where snoozed_until is not null;
create index conversations_held on conversations (operator_id) where operator_id is not null and status <> 'resolved';

create function keep_clocks() returns trigger language plpgsql as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_rests boolean;
begin
    if new.status = 'resolved' then
        new.waiting_since := null;
    elsif old.status = 'resolved' then
        new.resolution_from := v_now;
        new.paused_at := null;
        new.pauses := '{}';
        new.paused_for := '0';
    end if;
    if old.snoozed_until is not null and (new.status = 'resolved' or new.owner <> old.owner) then
        new.snoozed_until := null;
    end if;
    if old.snoozed_until is not null and new.snoozed_until is null then
        insert into log (topic, key, type, payload)
        values ('fte.conversations', new.id::text, 'conversation.woken',
                jsonb_build_object('conversation_id', new.id, 'owner', new.owner, 'epoch', new.epoch, 'status', new.status,
                                   'seq', new.last_seq, 'reason',
                                   case when new.last_inbound_seq > old.last_inbound_seq then 'customer'
                                        when new.status = 'resolved' then 'resolved'
                                        when new.owner <> old.owner then 'handed_over'
                                        when new.warned <> old.warned or new.breached <> old.breached then 'deadline'
                                        when old.snoozed_until <= v_now then 'time'
                                        else 'operator' end));
    end if;
    v_rests := new.status = 'resolved' or new.waiting_since is null or new.snoozed_until is not null;
    if v_rests and new.paused_at is null then
        new.paused_at := v_now;
    elsif not v_rests and new.paused_at is not null then
        new.pauses := new.pauses + tstzmultirange(tstzrange(new.paused_at, greatest(v_now, new.paused_at)));
        new.paused_at := null;
    end if;
    new.clocks_stale_at := coalesce(new.clocks_stale_at, v_now);
    return new;
end
$$;
comment on function keep_clocks is 'notes what the clocks of a conversation depend on, whoever changes it; they are counted anew from that';
create trigger keep_clocks before update on conversations for each row
    when ((old.status, old.owner, old.waiting_since, old.answered_at, old.snoozed_until, old.window_until)
          is distinct from (new.status, new.owner, new.waiting_since, new.answered_at, new.snoozed_until, new.window_until))
    execute function keep_clocks();

create function note_answer() returns trigger language plpgsql as $$
begin
    if answers(new) then
        update conversations c
           set answered_at = coalesce(c.answered_at, now()),
               waiting_since = (select min(m.created_at) from messages m
                                 where m.conversation_id = c.id and m.direction = 'inbound' and m.outcome is distinct from 'suppressed'
                                   and m.seq > case new.role when 'operator' then new.seq else least(new.seq, c.answered_seq) end)
         where c.id = new.conversation_id and (c.answered_at is null or c.waiting_since is not null);
    end if;
    return null;
end
$$;
create trigger note_answer after insert on messages for each row
    when (new.direction = 'outbound')
    execute function note_answer();
create trigger note_arrival after update of delivery_status on messages for each row
    when (new.direction = 'outbound' and new.delivery_status in ('sent', 'delivered', 'read')
          and coalesce(old.delivery_status, '') not in ('sent', 'delivered', 'read'))
    execute function note_answer();

create function note_priority() returns trigger language plpgsql as $$
begin
    update conversations set clocks_stale_at = coalesce(clocks_stale_at, clock_timestamp()) where id = new.conversation_id;
    return null;
end
$$;
create trigger note_priority after update of priority on tickets for each row
    when (old.priority is distinct from new.priority)
    execute function note_priority();

-- ---------------------------------------------------------------- intake: thanks do not reopen, and what came wakes

drop function intake;

create function intake(
    p_channel text, p_account text, p_provider_id text, p_raw bytea,
    p_identifier_type text, p_key text, p_verified boolean, p_name text,
    p_into_ticket uuid, p_linked_to uuid, p_sender text, p_envelope jsonb, p_sent_at timestamptz, p_suppress text,
    p_customer uuid, p_conversation uuid, p_ticket uuid, p_public_hash bytea, p_message uuid, p_turn uuid,
    p_subject text, p_category text, p_priority text, p_body text, p_sentiment real,
    p_quiet interval, p_quiet_limit interval, p_inbound_topic text, p_thanks boolean default false,
    out o_duplicate boolean, out o_conversation uuid, out o_ticket uuid, out o_message uuid, out o_code boolean,
    out o_clocks boolean
) language plpgsql as $$
declare
    v_customer uuid;
    v_joins boolean;
    v_linked_to uuid := p_linked_to;
    v_suppress text := p_suppress;
    v_window timestamptz := case when p_channel = 'whatsapp' then coalesce(p_sent_at, now()) + interval '24 hours' end;
    v_owner text := 'ai';
    v_seq integer := 1;
    v_turn uuid;
    v_due timestamptz;
    v_fact jsonb;
begin
    o_duplicate := false;
    o_code := false;
    o_clocks := false;
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

    if p_thanks and v_suppress is null and o_conversation is not null then
        -- Nothing is owed to thanks for what is settled; locked, so that it is settled still when the message is stored.
        perform from conversations c
          where c.id = o_conversation and c.status = 'resolved' and c.answered_seq >= c.last_inbound_seq for update;
        if found then
            v_suppress := 'thanks';
        end if;
    end if;

    if o_conversation is null then
        o_conversation := p_conversation;
        insert into conversations (id, customer_id, initial_channel, verified, name, last_seq, last_inbound_seq,
                                   answered_seq, sentiment_score, linked_to, waiting_since, paused_at, window_until)
        values (o_conversation, v_customer, p_channel, p_verified, nullif(p_name, ''), 1, 1,
                (v_suppress is not null)::int, p_sentiment, v_linked_to,
                case when v_suppress is null then now() end, case when v_suppress is not null then now() end, v_window);
        insert into tickets (id, public_hash, conversation_id, customer_id, source_channel, subject, category, priority)
        values (o_ticket, p_public_hash, o_conversation, v_customer, p_channel, p_subject, p_category, p_priority);
    else
        update conversations c
           set last_seq = c.last_seq + 1, last_inbound_seq = c.last_seq + 1, last_message_at = now(),
               name = coalesce(c.name, nullif(p_name, '')), linked_to = coalesce(c.linked_to, v_linked_to),
               status = case when c.status = 'resolved' and v_suppress is null then 'open' else c.status end,
               ended_at = case when v_suppress is null then null else c.ended_at end,
               resolution_type = case when v_suppress is null then null else c.resolution_type end,
               answered_seq = case when v_suppress is not null and c.answered_seq >= c.last_inbound_seq
                                   then c.last_seq + 1 else c.answered_seq end,
               sentiment_score = p_sentiment, window_until = v_window,
               waiting_since = case when v_suppress is null then coalesce(c.waiting_since, now()) else c.waiting_since end,
               snoozed_until = case when v_suppress is null then null else c.snoozed_until end
         where c.id = o_conversation
        returning c.last_seq, c.owner, c.owner = 'human' and c.clocks_stale_at is not null into v_seq, v_owner, o_clocks;
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
            case when v_suppress is not null then 'suppressed' when v_owner = 'human' then 'handed_over' end,
            v_suppress, p_sender, p_provider_id);

    if v_owner = 'ai' and v_suppress is null then
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
         where t.id = o_ticket and v_suppress is null;
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
