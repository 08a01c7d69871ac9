-- ---------------------------------------------------------------- drafts: answers of the AI that a person decides on

create table drafts (
    id               uuid primary key,
    conversation_id  uuid not null references conversations deferrable initially deferred,
    turn_id          uuid not null references turns,
    run_id           uuid not null references runs,
    channel          channel not null,
    epoch            integer not null,
    answers_seq      integer not null,
    body             text not null,
    held_because     text not null check (held_because in ('mode', 'low_confidence', 'regenerated')),
    confidence       real not null,
    threshold        real,
    hint             text,
    state            text not null default 'pending' check (state in ('pending', 'approved', 'rejected', 'retired')),
    operator_id      uuid references operators,
    reason           text,
    approved_hash    bytea,
    message_id       uuid references messages,
    created_at       timestamptz not null default now(),
    decided_at       timestamptz
);
comment on table drafts is 'answers held for approval; the conversation''s version they answer is epoch and answers_seq';
comment on column drafts.answers_seq is 'the newest message of the customer it answers';
comment on column drafts.confidence is 'how well the run is backed by what it found, from 0 to 1';
comment on column drafts.threshold is 'the confidence below which it is held, where that is why';
comment on column drafts.hint is 'what an operator asked for when they had it written anew';
comment on column drafts.operator_id is 'who decided it, or whose takeover retired it';
comment on column drafts.reason is 'of a rejected one in the operator''s words; of a retired one a code: newer_message, changed_hands, regenerated, taken_back';
comment on column drafts.approved_hash is 'SHA-256 of the text that was approved: what message_id says';
create unique index drafts_pending on drafts (conversation_id) where state = 'pending';
create index drafts_waiting on drafts (created_at, id) where state = 'pending';

alter table turns add column hint text;
comment on column turns.hint is 'an operator''s instruction for the answer; what answers it is always held';

alter table runs
    drop constraint runs_outcome_check,
    add constraint runs_outcome_check check (outcome in ('answered', 'drafted', 'escalated', 'discarded', 'failed'));

alter table messages
    drop constraint messages_outcome_check,
    add constraint messages_outcome_check
        check (outcome in ('answered', 'drafted', 'escalated', 'handed_over', 'suppressed', 'dead')),
    add column approved_by uuid references operators,
    add column answered_before integer;
comment on column messages.approved_by is 'the operator who approved an answer of the AI';
comment on column messages.answered_before is 'the conversation''s answered_seq before this message: where it goes back when the message is taken back';

-- ---------------------------------------------------------------- a draft does not outlive what it answers

create function retire_draft(p_conversation uuid, p_reason text) returns void language plpgsql as $$
declare
    v_draft drafts;
    v_talk conversations;
    v_ticket uuid;
    v_turn uuid;
    v_fact jsonb;
begin
    update drafts d
       set state = 'retired', reason = p_reason, decided_at = now(),
           operator_id = (select c.operator_id from conversations c where c.id = p_conversation)
     where d.conversation_id = p_conversation and d.state = 'pending'
    returning * into v_draft;
    if not found then
        return;
    end if;
    select * into v_talk from conversations where id = p_conversation;
    select id into v_ticket from tickets where conversation_id = p_conversation order by created_at desc limit 1;

    update messages
       set outcome = case when v_talk.status = 'resolved' then 'suppressed' when v_talk.owner = 'human' then 'handed_over' end
     where conversation_id = p_conversation and direction = 'inbound' and outcome = 'drafted';

    v_fact := jsonb_build_object('conversation_id', p_conversation, 'ticket_id', v_ticket, 'channel', v_draft.channel);
    -- Whoever the draft was for still gets an answer: of the person who took over, or of another turn.
    if v_talk.owner = 'ai' and v_talk.status <> 'resolved' and v_talk.last_inbound_seq > v_talk.answered_seq then
        insert into turns (id, conversation_id, ticket_id, channel)
        values (gen_random_uuid(), p_conversation, v_ticket, v_draft.channel)
        on conflict (conversation_id) where state in ('due', 'running') do nothing
        returning id into v_turn;
    end if;
    insert into log (topic, key, type, payload)
    select e.topic, p_conversation::text, e.type, e.payload
      from (values ('fte.conversations', 'draft.retired',
                    v_fact || jsonb_build_object('draft_id', v_draft.id, 'reason', p_reason, 'seq', v_talk.last_seq,
                                                 'owner', v_talk.owner, 'epoch', v_talk.epoch, 'status', v_talk.status)),
                   ('fte.metrics', 'draft.decided',
                    jsonb_build_object('channel', v_draft.channel, 'decision', 'retired', 'held_at', v_draft.created_at)),
                   ('fte.tickets.incoming', 'turn.due', v_fact || jsonb_build_object('turn_id', v_turn, 'due_at', now()))
           ) as e (topic, type, payload)
     where e.type <> 'turn.due' or v_turn is not null;
end
$$;
comment on function retire_draft is 'the pending draft of a conversation is void, in this transaction; nothing without one';

create function message_retires_draft() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        perform retire_draft(old.conversation_id, 'changed_hands');
    end if;
    perform retire_draft(new.conversation_id, 'newer_message');
    return null;
end
$$;
create trigger message_retires_draft after insert on messages for each row
    when (new.direction <> 'note') execute function message_retires_draft();
create trigger moved_message_retires_draft after update of conversation_id on messages for each row
    when (new.conversation_id <> old.conversation_id and new.direction <> 'note') execute function message_retires_draft();

create function conversation_retires_draft() returns trigger language plpgsql as $$
begin
    perform retire_draft(new.id, 'changed_hands');
    return null;
end
$$;
create trigger conversation_retires_draft after update on conversations for each row
    when (new.epoch <> old.epoch or new.owner <> old.owner or new.customer_id <> old.customer_id
          or (new.status = 'resolved' and old.status <> 'resolved'))
    execute function conversation_retires_draft();

-- ---------------------------------------------------------------- on the form's page a reply may wait for its time

drop trigger announce_on_form on replies;
create trigger announce_on_form after insert on replies for each row
    when (new.channel = 'web_form' and new.kind = 'answer' and new.part = 0 and new.state = 'sent')
    execute function announce_on_form();
create trigger announce_later_on_form after update of state on replies for each row
    when (new.channel = 'web_form' and new.kind = 'answer' and new.part = 0 and new.state = 'sent' and old.state <> 'sent')
    execute function announce_on_form();
