// Writes of reference tables: every copy gets the same rows, or none does.

import { SqlError } from '../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES, REFERENCE_COPY_ROWS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ReferenceMerge } from '../plan/plan.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { parseCommandTag } from '../wire/query.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import type { BoundParameters } from './parameters.ts';
import { returnsTooMuch } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import type { Transaction } from './transaction.ts';
import { insertWholeRowsSql } from './whole-rows.ts';
import type { WriteResult } from './write.ts';

export interface ReferenceWriteRequest {
  readonly transaction: Transaction;
  readonly shards: readonly number[];
  readonly sql: string;
  readonly merge: ReferenceMerge;
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** How many columns the client is given; 0 without RETURNING. */
  readonly columnCount: number;
  readonly bytesMax: number;
}

interface Answer {
  readonly rows: readonly Buffer[];
  readonly tag: string;
}

/** Visits the shards in their order. The client is answered what the home shard says. */
export function writeReference(request: ReferenceWriteRequest): Promise<WriteResult> {
  return request.merge.rows === null ? repeat(request) : copyRows(request, request.merge.rows);
}

async function repeat(request: ReferenceWriteRequest): Promise<WriteResult> {
  const { shards, sql, parameters, resultFormats } = request;
  let first: Answer | null = null;
  for (const shard of shards) {
    const connection = await request.transaction.enlistWriter(shard);
    const answer = await run(connection, request, sql, parameters, resultFormats);
    first ??= answer;
    if (answer.tag !== first.tag) throw differs(shard, answer.tag, first.tag);
  }
  return { rows: first!.rows, tag: first!.tag };
}

/** The home shard evaluates the INSERT; the rows that it has made go to the other shards. */
async function copyRows(
  request: ReferenceWriteRequest,
  rows: NonNullable<ReferenceMerge['rows']>,
): Promise<WriteResult> {
  const { shards, parameters, columnCount } = request;
  const home = await request.transaction.enlistWriter(HOME_SHARD);
  const formats = formatsOf(request.resultFormats, columnCount);
  const answer = await run(home, request, rows.homeSql, parameters, formats);
  const given: Buffer[] = [];
  const made: string[] = [];
  for (const body of answer.rows) {
    const values = decodeDataRow(body);
    made.push(values.pop()!.toString('utf8'));
    if (columnCount > 0) given.push(encodeDataRowBody(values));
  }
  for (const shard of shards) {
    if (shard === HOME_SHARD) continue;
    const connection = await request.transaction.enlistWriter(shard);
    for (let at = 0; at < made.length; at += REFERENCE_COPY_ROWS) {
      await insertRows(connection, request, rows, made.slice(at, at + REFERENCE_COPY_ROWS));
    }
  }
  return { rows: given, tag: answer.tag };
}

/** One more column than the client asked formats for, as text. */
function formatsOf(formats: readonly number[], columnCount: number): readonly number[] {
  if (formats.length === 0) return [];
  const own = Array.from({ length: columnCount }, (_, i) =>
    formats.length === 1 ? formats[0]! : formats[i]!,
  );
  return [...own, 0];
}

/** `rows`: whole rows as text, as PostgreSQL writes composite values. */
async function insertRows(
  connection: ServerConnection,
  request: ReferenceWriteRequest,
  { table, columns }: NonNullable<ReferenceMerge['rows']>,
  rows: readonly string[],
): Promise<void> {
  const sql = insertWholeRowsSql(table, columns, '$1::text[]');
  const parameters = { values: [Buffer.from(arrayText(rows))], formats: [], types: [] };
  const { tag } = await run(connection, request, sql, parameters, []);
  const wanted = `INSERT 0 ${rows.length}`;
  if (tag !== wanted) throw differs(connection.shard.id, tag, wanted);
}

const arrayText = (values: readonly string[]) =>
  `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

async function run(
  connection: ServerConnection,
  { bytesMax }: ReferenceWriteRequest,
  sql: string,
  parameters: BoundParameters,
  resultFormats: readonly number[],
): Promise<Answer> {
  const repeats = connection.shard.id !== HOME_SHARD;
  const stream = await openShardStream(connection, { sql, parameters, resultFormats, repeats });
  const rows: Buffer[] = [];
  let bytes = 0;
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) {
      bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
      rows.push(row);
    }
    if (bytes > bytesMax) {
      await stream.discard();
      throw returnsTooMuch(bytesMax);
    }
  }
  await stream.done;
  return { rows, tag: stream.tag };
}

/** XX001: `shard` has answered `tag` where the home shard had `wanted`. */
export function differs(shard: number, tag: string, wanted: string): SqlError {
  const count = parseCommandTag(tag).rows ?? 0n;
  return new SqlError({
    code: SQLSTATE.dataCorrupted,
    message: `the copies of a reference table differ: shard ${shard} wrote ${count} rows`,
    detail: `The home shard: ${wanted}; shard ${shard}: ${tag}. Nothing has been written.`,
    hint: 'drive doctor compares the copies.',
  });
}
