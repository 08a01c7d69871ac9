-- ---------------------------------------------------------------- customers are found by any part of what they are called

-- The extension pg_trgm does this too; the embedded database does not have it.
create function text_keys(p_text text) returns text[] language plpgsql immutable strict parallel safe as $$
declare
    v_text constant text := lower(left(p_text, 500));
    v_keys text[] := '{}';
    v_word text;
begin
    for i in 1 .. length(v_text) - 2 loop
        v_keys := v_keys || substr(v_text, i, 3);
    end loop;
    foreach v_word in array regexp_split_to_array(v_text, '[^[:alnum:]]+') loop
        if v_word <> '' then
            v_keys := v_keys || ('^' || left(v_word, 1)) || ('^' || left(v_word, 2));
        end if;
    end loop;
    return v_keys;
end
$$;
comment on function text_keys is 'what an index finds a text by: each three characters, and the one or two each word begins with';

create function search_keys(p_text text) returns text[] language sql immutable strict parallel safe as $$
    select case when length(lower(p_text)) < 3 then array['^' || lower(p_text)]
                else (select array_agg(distinct substr(lower(p_text), i, 3)) from generate_series(1, length(lower(p_text)) - 2) i) end
$$;
comment on function search_keys is 'the keys that every text has in which this one stands, or, if it is shorter, a word that begins with it';

create index customers_keys on customers
    using gin (text_keys(coalesce(name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')));
create index customer_identifiers_keys on customer_identifiers using gin (text_keys(identifier_value));

-- Other names that customers gave in conversations: those rows change with every message, so the index is beside them.
create table customer_names (
    customer_id  uuid not null references customers on delete cascade,
    name         text not null,
    primary key (customer_id, name)
);
comment on table customer_names is 'what customers are called in conversations beside their own name, for searching; kept by triggers';
insert into customer_names (customer_id, name)
select distinct c.customer_id, c.name from conversations c join customers u on u.id = c.customer_id
 where c.name is not null and c.name is distinct from u.name;
create index customer_names_keys on customer_names using gin (text_keys(name));

create function keep_names() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' and new.name is not null then
        insert into customer_names (customer_id, name)
        select id, new.name from customers where id = new.customer_id and name is distinct from new.name
        on conflict do nothing;
    end if;
    if tg_op <> 'INSERT' then
        delete from customer_names n
         where n.customer_id = old.customer_id and n.name = old.name
           and not exists (select from conversations c where c.customer_id = old.customer_id and c.name = old.name);
    end if;
    return null;
end
$$;
create trigger name_said after insert on conversations for each row when (new.name is not null) execute function keep_names();
create trigger name_changed after update of name, customer_id on conversations for each row
    when ((old.name, old.customer_id) is distinct from (new.name, new.customer_id)) execute function keep_names();
create trigger name_forgotten after delete on conversations for each row when (old.name is not null) execute function keep_names();

create function keep_old_name() returns trigger language plpgsql as $$
begin
    insert into customer_names (customer_id, name)
    select new.id, old.name where exists (select from conversations c where c.customer_id = new.id and c.name = old.name)
    on conflict do nothing;
    return null;
end
$$;
create trigger name_replaced after update of name on customers for each row
    when (old.name is distinct from new.name and old.name is not null) execute function keep_old_name();
