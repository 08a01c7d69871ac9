alter table channel_health
    add column silent_since   timestamptz,
    add column silence        text not null default '',
    add column next_probe_at  timestamptz not null default now();
comment on column channel_health.silent_since is 'since when the provider does not answer, or not as it should; null while it does';
comment on column channel_health.silence is 'what is wrong with its answers, and the remedy';
comment on column channel_health.next_probe_at is 'when it is asked next, by whoever comes first';
