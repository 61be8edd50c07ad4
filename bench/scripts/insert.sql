-- One new file of a user of shard 0, beyond the users that are read.
\set user_id 1000000000 + 2 * random(0, :users - 1)
INSERT INTO file_metadata (user_id, file_name) VALUES (:user_id, 'report.pdf') RETURNING id;
