-- ---------------------------------------------------------------- events that leave the database, and come back

alter table log add column replay jsonb;
comment on column log.replay is 'a dead letter tried again: the group it is for, and which event it was, and when; null: an event for everybody';

alter table cursors add column saved_at timestamptz not null default now();
comment on column cursors.saved_at is 'when the group last said how far it has come';

-- ---------------------------------------------------------------- dead letters: tried again, or dropped

alter table dead_letters
    add column state text not null default 'waiting' check (state in ('waiting', 'replayed', 'dropped')),
    add column replays integer not null default 0,
    add column changed_at timestamptz not null default now(),
    add column reason text;
comment on column dead_letters.state is 'waiting for somebody to look, sent to its group once more, or given up by a person';
comment on column dead_letters.replays is 'how often it was sent to its group once more';
comment on column dead_letters.reason is 'why a person gave it up, in their words';
create index dead_letters_waiting on dead_letters (id) where state = 'waiting';

-- ---------------------------------------------------------------- metrics: each event counts once

alter table agent_metrics add column event_id uuid;
comment on column agent_metrics.event_id is 'the event it was read off';
create unique index agent_metrics_event on agent_metrics (event_id, metric_name) where event_id is not null;
