-- ---------------------------------------------------------------- webhooks that did not reach us

alter table whatsapp_numbers add column missed_at timestamptz;
comment on column whatsapp_numbers.missed_at is 'since when webhooks may have been lost that no reading of the list has made up for; null: none that we know of';
