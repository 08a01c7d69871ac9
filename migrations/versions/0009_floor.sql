-- ---------------------------------------------------------------- floor
-- The schema version of the oldest program that can work here. A migration that only adds leaves it alone; one that
-- removes something raises it to the first version whose program no longer uses that.
create table schema_floor (
    sole boolean primary key default true check (sole),
    oldest_program text not null
);
insert into schema_floor (oldest_program) values ('0009');
