-- ---------------------------------------------------------------- topics that were made anew

create table topics_made (
    prefix       text primary key,
    times        integer not null default 0,
    gone_before  timestamptz not null
);
comment on table topics_made is 'how often the relay had to make topics again, by the installation''s prefix; older events than the time are in none of them';
