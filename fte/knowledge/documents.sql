-- name: known
select source, content_hash, embedder from documents where source = any($1)

-- name: put_document
insert into documents (id, source, title, category, content_hash, embedder)
values ($1, $2, $3, $4, $5, $6)
on conflict (source) do update
    set title = excluded.title, category = excluded.category, content_hash = excluded.content_hash,
        embedder = excluded.embedder, imported_at = now()
returning id

-- name: clear_passages
delete from knowledge_base where document_id = $1

-- name: add_passage
insert into knowledge_base (id, document_id, ordinal, title, content, category, embedding)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: list_documents
select d.source, d.title, d.category, d.embedder, d.imported_at, count(k.id) as passages
  from documents d left join knowledge_base k on k.document_id = d.id
 group by d.id
 order by d.source

-- name: named
select d.id, d.source, d.source = $1 as by_source, count(k.id) as passages
  from documents d left join knowledge_base k on k.document_id = d.id
 where d.source = $1 or d.title = $1
 group by d.id
 order by by_source desc, d.source

-- name: delete_document
delete from documents where id = $1
