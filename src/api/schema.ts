// The shapes of what the API takes and gives; OpenAPI, validation and the types all come from here.

import {
  BULK_RECORDS_MAX,
  FILE_NAME_CHARS_MAX,
  FILES_PAGE_DEFAULT,
  FILES_PAGE_MAX,
} from './limits.ts';
import { type Static, Type } from './typebox.ts';

/** PostgreSQL's int8: a plain number in JSON, exact over the whole range; a bigint in the code. */
const Int64 = (description: string, options: { examples?: number[] } = {}) =>
  Type.Unsafe<bigint>({ type: 'integer', format: 'int64', description, ...options });

const UserId = Int64('The owner of the file; the sharding key. Any int8.', { examples: [42] });
const ShardId = Type.Integer({ description: 'The shard that holds the record.' });
const Success = Type.Literal(true);

export const FileInput = Type.Object({
  user_id: UserId,
  file_name: Type.String({
    minLength: 1,
    maxLength: FILE_NAME_CHARS_MAX,
    examples: ['my_document.txt'],
  }),
});

export const BulkQuery = Type.Object({
  count: Type.Integer({
    minimum: 1,
    maximum: BULK_RECORDS_MAX,
    default: 100,
    description: 'Records to write: user_id 0 … count-1, file_<i>.txt.',
  }),
});

export const BulkPath = Type.Object({ job: Type.String({ minLength: 1, maxLength: 64 }) });
export const UserPath = Type.Object({ user_id: UserId });

export const FilesQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: FILES_PAGE_MAX, default: FILES_PAGE_DEFAULT }),
  before: Type.Optional(
    Type.String({ maxLength: 200, description: 'The `next` of the page before this one.' }),
  ),
});

export const Status = Type.Object(
  {
    service: Type.String(),
    status: Type.String({ description: '`running`, or what is wrong.' }),
    num_shards: Type.Union([Type.Integer(), Type.Null()], {
      description: 'null when the proxy does not answer.',
    }),
  },
  { description: 'The service and its shards.' },
);

export const Ingested = Type.Object(
  {
    success: Success,
    message: Type.String(),
    data: Type.Object({
      record_id: Int64('Unique over all shards.'),
      user_id: UserId,
      file_name: Type.String(),
      shard_id: ShardId,
    }),
  },
  { description: 'The record is written.' },
);

const Distribution = Type.Record(Type.String(), Type.Integer(), {
  description: 'Records per shard, as each shard reported them.',
});

export const BulkDone = Type.Object(
  {
    success: Success,
    message: Type.String(),
    distribution: Distribution,
    total: Type.Integer(),
    job: Type.String(),
    elapsed_ms: Type.Integer(),
  },
  { description: 'All records are written.' },
);

export const BulkState = Type.Object(
  {
    job: Type.String(),
    state: Type.String({
      enum: ['running', 'done', 'cancelled', 'failed', 'unknown'],
      description:
        'done: all is written; cancelled, failed: nothing is; ' +
        'unknown: the connection broke during COMMIT, look before you try again.',
    }),
    total: Type.Integer(),
    inserted: Type.Integer({ description: 'Records sent and answered; visible only once done.' }),
    distribution: Distribution,
    elapsed_ms: Type.Integer(),
    detail: Type.Optional(Type.String({ description: 'Why it failed.' })),
  },
  { description: 'A bulk: how far it is, or how it ended.' },
);
export type BulkState = Static<typeof BulkState>;

export const Stats = Type.Object(
  {
    success: Success,
    shards: Type.Array(
      Type.Object({
        shard_id: ShardId,
        record_count: Type.Union([Type.Integer(), Type.Null()]),
        database: Type.String(),
        percentage: Type.Union([Type.Number(), Type.Null()], {
          description: 'Of the records of all shards that answered, to two digits.',
        }),
        error: Type.Optional(Type.String({ description: 'Only on a shard that did not answer.' })),
      }),
    ),
    total_shards: Type.Integer(),
    total_records: Type.Integer({ description: 'On the shards that answered.' }),
  },
  { description: 'Records per shard.' },
);
export type Stats = Static<typeof Stats>;

export const FileRecord = Type.Object({
  id: Int64('Unique over all shards.'),
  user_id: UserId,
  file_name: Type.String(),
  created_at: Type.String({ description: 'ISO 8601 with microseconds.' }),
});
export type FileRecord = Static<typeof FileRecord>;

export const Files = Type.Object(
  {
    success: Success,
    user_id: UserId,
    shard_id: ShardId,
    file_count: Type.Integer({
      description: 'All files of the user, not only those of this page.',
    }),
    files: Type.Array(FileRecord),
    next: Type.Union([Type.String(), Type.Null()], {
      description: 'Give it as `before` for the next page; null on the last.',
    }),
  },
  { description: 'One page of the files.' },
);

export const Failure = Type.Object(
  { detail: Type.String() },
  { description: 'Why it was not done.' },
);

export const InputFailure = Type.Object(
  {
    detail: Type.Array(
      Type.Object({
        loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
        msg: Type.String(),
        type: Type.String(),
      }),
    ),
  },
  { description: 'The input is refused; every fault is listed.' },
);
