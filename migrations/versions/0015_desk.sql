-- A ticket's page looks for the merges of its conversation, those that were undone too.
create index conversation_merges_merged on conversation_merges (merged);
