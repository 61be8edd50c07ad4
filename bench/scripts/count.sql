-- The number of all files: every shard counts its own.
SELECT count(*) FROM file_metadata;
