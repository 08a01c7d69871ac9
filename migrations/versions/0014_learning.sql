-- ---------------------------------------------------------------- what people answered and no page said

create table suggestions (
    message_id   uuid primary key references messages on delete cascade,
    state        text not null check (state in ('approved', 'rejected')),
    operator_id  uuid not null references operators,
    source       text,
    decided_at   timestamptz not null default now()
);
comment on table suggestions is 'answers of people that could become pages, as far as they are decided on; the others are found among the messages';
comment on column suggestions.source is 'the document an approved one became';

-- Whoever looks for what people answered reads their answers only, not every message of the last months.
create index messages_of_people on messages (id) where role = 'operator' and direction = 'outbound';
