-- name: intake
select o_duplicate, o_conversation, o_ticket, o_message
  from intake($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
              $21::interval, $22::interval, $23)
