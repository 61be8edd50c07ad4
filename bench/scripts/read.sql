-- The files of one user (one row by the primary key); even users live on shard 0, odd ones on shard 1.
\set user_id 2 * random(0, :users - 1) + random(0, :spread)
SELECT id, file_name, created_at FROM file_metadata WHERE user_id = :user_id;
