-- name: claim
with picked as (
    select a.id
      from attachments a join messages m on m.id = a.message_id
     where a.state = 'pending' and a.due_at <= now() and m.channel = $1
     order by a.due_at limit $2
       for update of a skip locked
)
update attachments a
   set attempts = a.attempts + 1, due_at = now() + make_interval(secs => $3)
  from picked where a.id = picked.id
returning a.id, a.source, a.media_type, a.attempts

-- name: put_off
update attachments set due_at = now() + make_interval(secs => $2), reason = $3 where id = $1 and state = 'pending'

-- name: lock
select c.id from attachments a join messages m on m.id = a.message_id join conversations c on c.id = m.conversation_id
 where a.id = $1 for update of c

-- name: settle
update attachments a
   set state = $2, media_type = coalesce($3, a.media_type), content = $4::bytea, size = coalesce(length($4::bytea), a.size), reason = $5
  from messages m
 where a.id = $1 and a.state = 'pending' and m.id = a.message_id
returning m.id as message_id, m.conversation_id, m.channel, m.seq

-- name: one
select name, media_type, state, reason, content from attachments where id = $1
