-- name: search
-- $1 the words of the question that tell something, $2 its vector, $3 the embedder's name, $4 a category or null,
-- $5 terms, $6 shortlist, $7 candidates, $8 the rank constant, $9 the title's share,
-- $10 words of the question, $11 beside each of them another word for the same,
-- $12 in how many passages a word is common, $13 terms that make up a question's weight,
-- $14 passages known to be near, or null
with size as materialized (
    -- Counting takes long in a large base, where the planner's estimate will do.
    select case when reltuples > $12 then reltuples::bigint else (select count(*) from knowledge_base) end as passages
      from pg_class where oid = 'knowledge_base'::regclass
), frequent as materialized (
    select elements.lexeme, elements.share * size.passages as passages
      from size, pg_stats
     cross join lateral unnest(most_common_elems::text::text[], most_common_elem_freqs) elements (lexeme, share)
     where size.passages > $12
       and schemaname = current_schema() and tablename = 'knowledge_base' and attname = 'search'
), lexemes as materialized (
    select lexeme, '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''' as quoted
      from unnest(to_tsvector('english', $1))
     where lexeme !~ '^[a-z0-9]$' -- A single letter or digit tells nothing.
     order by positions[1], lexeme
     limit $5
), others as materialized (
    select w.lexeme, plainto_tsquery('english', given.other)::text as query,
           tsvector_to_array(to_tsvector('english', given.other)) as parts
      from unnest($10::text[], $11::text[]) given (word, other)
     cross join lateral unnest(to_tsvector('english', given.word)) w
), terms as materialized (
    select l.lexeme, (l.quoted || coalesce(string_agg(' | ( ' || o.query || ' )', ''), ''))::tsquery as query
      from lexemes l
      left join others o on o.lexeme = l.lexeme and o.query <> ''
     group by l.lexeme, l.quoted
), common as materialized (
    -- Words in so many passages find none by themselves; they count once others have found them.
    select lexeme, sum(passages) as passages
      from (select lexeme, passages from lexemes join frequent using (lexeme)
             union all
            select o.lexeme, f.passages
              from others o cross join lateral unnest(o.parts) part join frequent f on f.lexeme = part) counted
     group by lexeme
    having sum(passages) > $12
), hits as materialized (
    -- `offset 0` keeps this one index scan a term; as a plain join the planner compares every passage with every term.
    select t.lexeme, k.id, k.category
      from terms t
      cross join lateral (select id, category from knowledge_base where search @@ t.query offset 0) k
     where t.lexeme not in (select lexeme from common)
), weights as materialized (
    select t.lexeme, t.query,
           ln(1 + (size.passages - known.passages + 0.5) / (known.passages + 0.5))::float8 as weight
      from terms t
     cross join size
     cross join lateral (select least(size.passages, coalesce(
                                (select c.passages from common c where c.lexeme = t.lexeme),
                                (select count(*) from hits h where h.lexeme = t.lexeme))) as passages) known
), total as materialized (
    select sum(weight) as weight,
           -- What a word weighs that a single passage has.
           (select ln(1 + (greatest(passages, 1) - 0.5) / 1.5)::float8 from size) as rare
      from (select weight from weights order by weight desc limit $13) heaviest
), shortlist as materialized (
    select h.id
      from hits h
      join weights w on w.lexeme = h.lexeme
     where $4::text is null or h.category = $4
     group by h.id
     order by sum(w.weight) desc, h.id
     limit $6
), nearest as materialized (
    (select id from knowledge_base where $14::uuid[] is null and $4::text is null order by embedding <=> $2 limit $7)
    union all
    -- Within a category all its passages are compared: the vector index would stop before it has seen enough of them.
    (select id from knowledge_base
      where $14::uuid[] is null and category = $4 order by (embedding <=> $2) + 0 limit $7)
    union all
    select unnest($14::uuid[])
), found as materialized (
    -- `||` reads a long list of words from its storage once, not once a term.
    select k.id, k.title, k.content, k.category, k.document_id, k.embedding <=> $2 as distance,
           k.search || '' as search, n.id is not null as near
      from (select id from shortlist union select id from nearest) c
      join knowledge_base k on k.id = c.id
      left join nearest n on n.id = c.id
), candidates as materialized (
    select f.id, f.title, f.content, f.category, f.document_id, f.distance, f.near,
           least(1, coalesce(covered.weight / total.weight, 0)) as coverage,
           least(1, coalesce(covered.in_title / total.weight, 0)) as title_coverage,
           coalesce(covered.weight / total.rare, 0) as evidence
      from found f
     cross join total
     cross join lateral (select ts_filter(f.search, '{a}') as title) titles
     cross join lateral (select sum(w.weight) as weight,
                                sum(w.weight) filter (where titles.title @@ w.query) as in_title
                           from weights w where f.search @@ w.query) covered
), ranked as (
    select *,
           row_number() over (partition by near order by distance, id) as near_place,
           row_number() over (partition by coverage = 0
                              order by (1 - $9::float8) * coverage + $9 * title_coverage desc, id) as word_place
      from candidates
)
select r.id, r.near, r.title, d.source, r.category, r.content,
       case when d.embedder = $3 then 1 - r.distance end as cosine,
       r.coverage, r.title_coverage, r.evidence
  from ranked r
  join documents d on d.id = r.document_id
 order by case when r.near then 1.0 / ($8 + r.near_place) else 0 end
        + case when r.coverage > 0 then 1.0 / ($8 + r.word_place) else 0 end desc, r.id
 limit $7
