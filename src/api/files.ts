// One user's files: writing a record, and reading them newest first, page by page.

import type { Database, Row, Values } from './database.ts';
import { sqlState } from './database-failure.ts';
import { type ApiFailure, inputRefused } from './failure.ts';
import { bigintOf, countOf, intOf, onlyRow, textOf } from './row.ts';
import type { FileRecord } from './schema.ts';

/** The SQLSTATE class of a value that its type does not have. */
const DATA_EXCEPTION = '22';

/** Where a page ends: the last record's creation as PostgreSQL wrote it, and its id. */
interface Cursor {
  readonly createdAt: string;
  readonly id: bigint;
}

/** One page; `next` is the cursor of the one after it, null on the last. */
export interface FilesPage {
  readonly shardId: number;
  readonly fileCount: number;
  readonly files: FileRecord[];
  readonly next: string | null;
}

const INSERT = {
  name: 'ingest',
  text:
    'INSERT INTO file_metadata (user_id, file_name) VALUES ($1, $2) ' +
    'RETURNING id, drive.shard_id() AS shard_id',
};

const COUNT = {
  name: 'count_files',
  text:
    'SELECT drive.shard_id() AS shard_id, count(*) AS file_count ' +
    'FROM file_metadata WHERE user_id = $1',
};

const COLUMNS = 'id, user_id, file_name, created_at::text AS created_at';
const NEWEST_FIRST = 'ORDER BY file_metadata.created_at DESC, id DESC';

const FIRST_PAGE = {
  name: 'first_files',
  text: `SELECT ${COLUMNS} FROM file_metadata WHERE user_id = $1 ${NEWEST_FIRST} LIMIT $2`,
};

const NEXT_PAGE = {
  name: 'next_files',
  text:
    `SELECT ${COLUMNS} FROM file_metadata WHERE user_id = $1 ` +
    `AND (file_metadata.created_at, id) < ($3::timestamptz, $4::bigint) ${NEWEST_FIRST} LIMIT $2`,
};

/** Writes one record. @returns its id and the shard that says it holds it. @throws ApiFailure. */
export async function ingest(
  database: Database,
  userId: bigint,
  fileName: string,
): Promise<{ readonly id: bigint; readonly shardId: number }> {
  const row = onlyRow(await database.rows(INSERT, [userId, fileName]));
  return { id: bigintOf(row, 'id'), shardId: intOf(row, 'shard_id') };
}

const TIMESTAMP = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})?([+-]\d\d(?::\d\d(?::\d\d)?)?)$/;

/** `2026-01-02 03:04:05.6+00` → `2026-01-02T03:04:05.600000Z`; infinity and years BC stay as is. */
function isoTime(text: string): string {
  const match = TIMESTAMP.exec(text);
  if (match === null) return text;
  const [, date = '', time = '', fraction = '.', zone = ''] = match;
  const offset = zone === '+00' ? 'Z' : zone.length === 3 ? `${zone}:00` : zone;
  return `${date}T${time}${fraction.padEnd(7, '0')}${offset}`;
}

function cursorText({ createdAt, id }: Cursor): string {
  return Buffer.from(`${createdAt}|${id}`).toString('base64url');
}

const CURSOR = /^([0-9A-Z:+. -]{8,48}|-?infinity)\|(-?[0-9]{1,19})$/;

function cursorRefused(): ApiFailure {
  const msg = 'Input should be the `next` of an earlier page';
  return inputRefused([{ loc: ['query', 'before'], msg, type: 'value_error' }]);
}

function readCursor(text: string): Cursor {
  const match = CURSOR.exec(Buffer.from(text, 'base64url').toString());
  const id = BigInt(match?.[2] ?? 0);
  if (match === null || id !== BigInt.asIntN(64, id)) throw cursorRefused();
  return { createdAt: match[1]!, id };
}

async function pageAfter(
  database: Database,
  cursor: Cursor,
  values: Values,
): Promise<readonly Row[]> {
  try {
    return await database.rows(NEXT_PAGE, [...values, cursor.createdAt, cursor.id]);
  } catch (error) {
    // The shape was checked; that the 31st of February is no day, PostgreSQL knows.
    if (sqlState(error).startsWith(DATA_EXCEPTION)) throw cursorRefused();
    throw error;
  }
}

function fileRecord(row: Row): FileRecord {
  return {
    id: bigintOf(row, 'id'),
    user_id: bigintOf(row, 'user_id'),
    file_name: textOf(row, 'file_name'),
    created_at: isoTime(textOf(row, 'created_at')),
  };
}

/**
 * At most `limit` files of the user, newest first (created_at, then id), from `before` on.
 * @throws ApiFailure 422 when `before` is no cursor, 503 and 504 as the database fails.
 */
export async function filesPage(
  database: Database,
  userId: bigint,
  limit: number,
  before: string | undefined,
): Promise<FilesPage> {
  const cursor = before === undefined ? null : readCursor(before);
  // One row more than asked for tells whether there is a next page.
  const values: Values = [userId, limit + 1];
  const [counts, rows] = await Promise.all([
    database.rows(COUNT, [userId]),
    cursor === null ? database.rows(FIRST_PAGE, values) : pageAfter(database, cursor, values),
  ]);
  const count = onlyRow(counts);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    shardId: intOf(count, 'shard_id'),
    fileCount: countOf(count, 'file_count'),
    files: shown.map(fileRecord),
    next: more
      ? cursorText({ createdAt: textOf(last, 'created_at'), id: bigintOf(last, 'id') })
      : null,
  };
}
