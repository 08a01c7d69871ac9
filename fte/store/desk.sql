-- name: set_priority
update tickets set priority = $2, priority_set = true, updated_at = now() where id = $1

-- name: set_category
update tickets set category = $2, category_set = true, updated_at = now() where id = $1

-- name: tags
select tags from tickets where id = $1 for update

-- name: set_tags
update tickets set tags = $2, updated_at = now() where id = $1

-- name: colleague
select id from operators
 where lower(name) = lower($1) and role = any ($2) and revoked_at is null and (expires_at is null or expires_at > now())
 order by name = $1 desc limit 1

-- name: needs_person
-- What was said of an earlier hand-over is not said of this one.
update conversations
   set escalated_at = now(), escalated_to = 'support',
       escalation_reason = case when $3 or escalation_reason is null then $2 else escalation_reason end,
       escalation_urgency = case when $3 or escalation_urgency is null then 'normal' else escalation_urgency end,
       escalation_brief = case when not $3 then escalation_brief end
 where id = $1
returning number
