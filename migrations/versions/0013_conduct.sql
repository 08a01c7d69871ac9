create table model_use (
    day            date not null,
    share          smallint not null,
    runs           bigint not null default 0,
    input_tokens   bigint not null default 0,
    output_tokens  bigint not null default 0,
    primary key (day, share)
);
comment on table model_use is 'what the model was given and gave on a day in UTC; in shares, so that runs that end at once need not wait for each other';
