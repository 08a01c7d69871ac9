-- name: customers
select customer_id, min(at) as at from erasures group by customer_id order by min(at), customer_id

-- name: hashes
select hash from erased where hash > $1 order by hash limit $2

-- name: keep
insert into erased (hash) select unnest($1::bytea[]) on conflict do nothing
