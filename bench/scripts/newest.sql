-- The newest files of all users: every shard gives its newest.
SELECT user_id, id, file_name, created_at FROM file_metadata ORDER BY created_at DESC LIMIT 10;
