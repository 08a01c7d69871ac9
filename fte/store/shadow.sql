-- name: past
-- A turn as it stood when its run began to count: what was said before its answer, or before its draft was decided on.
with answered as (
    select r.id, r.turn_id, r.conversation_id, r.outcome, r.model, r.trace, r.input_tokens, r.output_tokens, r.latency_ms,
           r.created_at,
           coalesce((select min(m.seq) from messages m where m.run_id = r.id),
                    (select d.answers_seq + 1 from drafts d where d.run_id = r.id)) as seq,
           coalesce((select m.answered_before from messages m where m.run_id = r.id order by m.seq limit 1), 0) as answered_seq,
           coalesce((select d.body from drafts d where d.run_id = r.id),
                    (select m.content from messages m where m.run_id = r.id order by m.seq limit 1), '') as reply,
           -- The epoch the run began in: a hand-over is said in the one after it.
           coalesce((select d.epoch from drafts d where d.run_id = r.id),
                    (select p.epoch - (r.outcome = 'escalated')::int
                       from messages m join replies p on p.message_id = m.id
                      where m.run_id = r.id and p.kind = 'answer' order by m.seq, p.part limit 1)) as epoch
      from runs r
     where r.id >= $1 and r.created_at >= $2 and r.created_at < $3 and r.outcome in ('answered', 'drafted', 'escalated')
)
select a.turn_id as id, a.conversation_id, t.channel, 1 as attempts, t.hint, c.verified, k.number, k.subject, k.category,
       k.priority, coalesce(c.name, case when c.verified then cu.name end) as name,
       (select b.brief from releases b where b.conversation_id = a.conversation_id and b.epoch = a.epoch) as handover,
       array[]::text[] as waiting_elsewhere,
       0 as spent_here, 0 as spent_input, 0 as spent_output, a.answered_seq,
       a.model, a.trace, a.input_tokens, a.output_tokens, a.latency_ms, a.created_at, a.reply, a.outcome, c.number as conversation,
       coalesce((select jsonb_agg(jsonb_build_object('id', h.id, 'seq', h.seq, 'role', h.role, 'channel', h.channel,
                                                     'content', h.content, 'at', h.created_at,
                                                     'failed', h.failed) order by h.seq)
                   from (select m.id, m.seq, m.role, m.channel, m.content, m.created_at,
                                coalesce(m.delivery_status, '') = 'failed' as failed
                           from messages m
                          where m.conversation_id = a.conversation_id and m.direction <> 'note' and m.seq < a.seq
                            and coalesce(m.delivery_status, '') not in ('superseded', 'cancelled')
                          order by m.seq desc limit $4) h), '[]') as lines
  from answered a
  join turns t on t.id = a.turn_id
  join conversations c on c.id = a.conversation_id
  join tickets k on k.id = t.ticket_id
  join customers cu on cu.id = c.customer_id
 where a.seq is not null
 order by a.created_at desc, a.id
 limit $5
