-- name: search
-- $1 the question, $2 its vector, $3 the embedder's name, $4 a category or null,
-- $5 terms, $6 shortlist, $7 candidates, $8 the rank constant, $9 the title's share
with terms as materialized (
    select lexeme, quoted::tsquery as anywhere, (quoted || ':A')::tsquery as in_title
      from (select lexeme, positions, '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''' as quoted
              from unnest(to_tsvector('english', $1))) lexemes
     order by positions[1], lexeme
     limit $5
), hits as materialized (
    -- `offset 0` keeps this one index scan a term; as a plain join the planner compares every passage with every term.
    select t.lexeme, k.id, k.category
      from terms t
      cross join lateral (select id, category from knowledge_base where search @@ t.anywhere offset 0) k
), weights as materialized (
    select t.lexeme, t.in_title, ln(1 + (n.passages - count(h.id) + 0.5) / (count(h.id) + 0.5))::float8 as weight
      from terms t
      cross join (select count(*) as passages from knowledge_base) n
      left join hits h on h.lexeme = t.lexeme
     group by t.lexeme, t.in_title, n.passages
), total as materialized (
    select sum(weight) as weight from weights
), shortlist as materialized (
    select h.id, sum(w.weight) / total.weight as coverage
      from hits h
      join weights w on w.lexeme = h.lexeme
      cross join total
     where $4::text is null or h.category = $4
     group by h.id, total.weight
     order by coverage desc, h.id
     limit $6
), nearest as materialized (
    (select id from knowledge_base where $4::text is null order by embedding <=> $2 limit $7)
    union all
    -- Within a category all its passages are compared: the vector index would stop before it has seen enough of them.
    (select id from knowledge_base where category = $4 order by (embedding <=> $2) + 0 limit $7)
), candidates as materialized (
    select k.id, k.title, k.content, k.category, k.document_id,
           k.embedding <=> $2 as distance,
           s.coverage,
           (select coalesce(sum(w.weight), 0) / (select weight from total)
              from weights w where k.search @@ w.in_title) as title_coverage,
           n.id is not null as near
      from (select id from shortlist union select id from nearest) c
      join knowledge_base k on k.id = c.id
      left join shortlist s on s.id = c.id
      left join nearest n on n.id = c.id
), ranked as (
    select *,
           row_number() over (partition by near order by distance, id) as near_place,
           row_number() over (partition by coverage is null
                              order by (1 - $9) * coverage + $9 * title_coverage desc, id) as word_place
      from candidates
)
select r.title, d.source, r.category, r.content,
       case when d.embedder = $3 then 1 - r.distance end as cosine,
       coalesce(r.coverage, 0) as coverage,
       coalesce(r.title_coverage, 0) as title_coverage
  from ranked r
  join documents d on d.id = r.document_id
 order by case when r.near then 1.0 / ($8 + r.near_place) else 0 end
        + case when r.coverage is not null then 1.0 / ($8 + r.word_place) else 0 end desc, r.id
 limit $7
