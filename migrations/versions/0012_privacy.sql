-- ---------------------------------------------------------------- erasure: what went does not come back

-- HMAC (RFC 2104) with a key of this database's own. A provider's ids alone would do without; the form's are made of
-- what was written, which could be guessed.
create table erasure_key (
    sole       boolean primary key default true check (sole),
    inner_pad  bytea not null,
    outer_pad  bytea not null
);
do $$
declare
    v_key bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    v_inner bytea := decode(repeat('36', 64), 'hex');
    v_outer bytea := decode(repeat('5c', 64), 'hex');
begin
    for i in 0..31 loop
        v_inner := set_byte(v_inner, i, get_byte(v_inner, i) # get_byte(v_key, i));
        v_outer := set_byte(v_outer, i, get_byte(v_outer, i) # get_byte(v_key, i));
    end loop;
    insert into erasure_key (inner_pad, outer_pad) values (v_inner, v_outer);
end
$$;

create function erasure_hash(p_what text, p_account text, p_id text) returns bytea language sql stable as $$
    select sha256(k.outer_pad || sha256(k.inner_pad || convert_to(jsonb_build_array(p_what, p_account, p_id)::text, 'UTF8')))
      from erasure_key k
$$;

create table erased (
    hash  bytea primary key
);
comment on table erased is 'what was erased, by a keyed hash of the provider''s id: it is not taken in again';

create function was_erased(p_what text, p_account text, p_id text) returns boolean language sql stable as $$
    select exists (select from erased where hash = erasure_hash(p_what, p_account, p_id))
$$;

create function refuse_erased() returns trigger language plpgsql as $$
begin
    if was_erased(new.channel, new.account, new.provider_id) then
        return null;
    end if;
    return new;
end
$$;
create trigger refuse_erased before insert on inbound for each row execute function refuse_erased();

create function refuse_erased_report() returns trigger language plpgsql as $$
begin
    if was_erased('report', new.channel, new.provider_id)
       or new.reply_id is not null and was_erased('reply', '', new.reply_id::text) then
        return null;
    end if;
    return new;
end
$$;
create trigger refuse_erased_report before insert on delivery_reports for each row execute function refuse_erased_report();

create table erasures (
    id           uuid primary key,
    customer_id  uuid not null,
    operator_id  uuid references operators,
    counts       jsonb not null,
    at           timestamptz not null default now()
);
comment on table erasures is 'who was erased, by the id they had here: ids and numbers only';

-- Ids that stay are nobody's any more.
alter table audit drop constraint audit_conversation_id_fkey;
alter table breaches drop constraint breaches_conversation_id_fkey, drop constraint breaches_reply_id_fkey;

-- Every reference that a deletion has to look up.
create index replies_conversation on replies (conversation_id);
create index replies_of_turn on replies (turn_id) where turn_id is not null;
create index delivery_reports_reply on delivery_reports (reply_id) where reply_id is not null;
create index messages_run on messages (run_id) where run_id is not null;
create index runs_turn on runs (turn_id);
create index turns_conversation on turns (conversation_id);
create index turns_ticket on turns (ticket_id);
create index drafts_conversation on drafts (conversation_id);
create index drafts_turn on drafts (turn_id);
create index drafts_run on drafts (run_id) where run_id is not null;
create index drafts_message on drafts (message_id) where message_id is not null;
create index inbound_ticket on inbound (ticket_id) where ticket_id is not null;
create index mail_references_ticket on mail_references (ticket_id);
create index link_codes_conversation on link_codes (conversation_id);
create index mentions_of_conversation on mentions (conversation_id);
create index conversation_merges_kept on conversation_merges (kept);
create index conversation_merges_merged on conversation_merges (merged);
create index tickets_customer on tickets (customer_id);

-- ---------------------------------------------------------------- retention: what is there to go

create function is_underway(p_conversation uuid) returns boolean language sql stable as $$
    select exists (select from replies where conversation_id = p_conversation and state in ('queued', 'sending', 'unknown'))
        or exists (select from turns where conversation_id = p_conversation and state in ('due', 'running'))
$$;
comment on function is_underway is 'whether something of a conversation is to be answered, sent, or asked about';

create index inbound_originals on inbound (received_at) where raw is not null;
create index attachments_kept on attachments (id) where content is not null;
create index runs_traced on runs (id) where trace <> '{}';

-- ---------------------------------------------------------------- restored from a backup: a past

create table restores (
    id  bigint generated always as identity primary key,
    at  timestamptz not null default now()
);
comment on table restores is 'when this database was brought back from a backup: what was written before may have been answered since the backup';

create table home (
    sole        boolean primary key default true check (sole),
    cluster     bigint not null,
    database    oid not null
);
comment on table home is 'where this database was when a daemon last ran on it; elsewhere it is a copy, which must not send';
