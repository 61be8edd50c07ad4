// Simple query: Query, CommandComplete and what its tag says.

import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND, FRONTEND } from './message-type.ts';

export const EMPTY_QUERY_RESPONSE = new MessageWriter(BACKEND.emptyQueryResponse).finish();

export function encodeQuery(sql: string): Buffer {
  return new MessageWriter(FRONTEND.query).string(sql).finish();
}

/** The statement text of a Query. Throws 08P01. */
export function decodeQuery(body: BodyReader): string {
  const sql = body.string();
  body.finish();
  return sql;
}

export function encodeCommandComplete(tag: string): Buffer {
  return new MessageWriter(BACKEND.commandComplete).string(tag).finish();
}

/** The command tag: `SELECT 5`, `INSERT 0 1`, `BEGIN`. */
export function decodeCommandComplete(body: BodyReader): string {
  const tag = body.string();
  body.finish();
  return tag;
}

export interface CommandTag {
  /** INSERT without its oid: `INSERT`, `CREATE TABLE`. */
  readonly verb: string;
  /** null where the tag has no count. */
  readonly rows: bigint | null;
}

export function parseCommandTag(tag: string): CommandTag {
  const match = /^(INSERT)(?: \d+)? (\d+)$|^(\D*?) (\d+)$/.exec(tag);
  if (match === null) return { verb: tag, rows: null };
  return { verb: match[1] ?? match[3]!, rows: BigInt(match[2] ?? match[4]!) };
}
