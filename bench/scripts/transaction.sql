-- A transaction of one user of shard 0: it reads a file and renames it.
\set user_id 2 * random(0, :users - 1)
BEGIN;
SELECT id, file_name, created_at FROM file_metadata WHERE user_id = :user_id;
UPDATE file_metadata SET file_name = 'renamed.txt' WHERE user_id = :user_id;
COMMIT;
