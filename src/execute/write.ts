// Writes over several shards: one statement, one transaction, one command tag.

import { SqlError } from '../base/errors.ts';
import { MERGE_ROW_OVERHEAD_BYTES } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { InsertMerge, WriteMerge } from '../plan/plan.ts';
import { parseCommandTag } from '../wire/query.ts';
import type { BoundParameters } from './parameters.ts';
import { formatsWithKey, inKeyOrder } from './returned-order.ts';
import { openShardStream } from './shard-stream.ts';
import type { Transaction } from './transaction.ts';

export interface WriteRequest {
  /** The transaction the statement runs in; it enlists the shards. */
  readonly transaction: Transaction;
  readonly targets: readonly number[];
  readonly sql: string;
  readonly merge: WriteMerge | InsertMerge;
  /** INSERT: the shard of each row, in the order of VALUES, and its key. */
  readonly rowShards: readonly number[];
  readonly rowKeys: readonly (bigint | null)[];
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** Bound of the RETURNING rows, which are held until every shard has answered. */
  readonly bytesMax: number;
}

export interface WriteResult {
  /** DataRow bodies of RETURNING; those of INSERT in the order of VALUES. */
  readonly rows: readonly Buffer[];
  readonly tag: string;
}

export function returnsTooMuch(bytesMax: number): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `the rows of RETURNING take more than ${bytesMax} bytes`,
    hint: 'Write fewer rows with one statement, or make merge.bytesMax larger.',
  });
}

/**
 * Visits the shards in their order, one after the other: two statements that write the same shards
 * then wait for each other instead of deadlocking.
 */
export async function writeShards(request: WriteRequest): Promise<WriteResult> {
  const answers = new Map<number, { rows: Buffer[]; count: bigint }>();
  let verb = '';
  let bytes = 0;
  const keyReturned = keyOf(request);
  const resultFormats =
    keyReturned === null ? request.resultFormats : formatsWithKey(request.resultFormats);
  for (const shard of request.targets) {
    const connection = await request.transaction.enlistWriter(shard);
    const sql = sqlFor(request, shard) + (keyReturned === null ? '' : `, ${keyReturned}`);
    const { parameters } = request;
    const stream = await openShardStream(connection, { sql, parameters, resultFormats });
    const rows: Buffer[] = [];
    for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
      for (const row of batch) {
        bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
        rows.push(row);
      }
      if (bytes > request.bytesMax) {
        await stream.discard();
        throw returnsTooMuch(request.bytesMax);
      }
    }
    await stream.done;
    const tag = parseCommandTag(stream.tag);
    verb = tag.verb;
    answers.set(shard, { rows, count: tag.rows ?? 0n });
  }
  const total = [...answers.values()].reduce((sum, answer) => sum + answer.count, 0n);
  return {
    rows: rowsOf(request, answers),
    tag: verb === 'INSERT' ? `INSERT 0 ${total}` : `${verb} ${total}`,
  };
}

/** Where one shard has all rows it gives them in order. */
const keyOf = ({ merge, targets }: WriteRequest): string | null =>
  merge.how === 'insert' && targets.length > 1 ? merge.keyReturned : null;

function rowsOf(
  request: WriteRequest,
  answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>,
): Buffer[] {
  if (request.merge.how === 'write') return concat(answers);
  if (keyOf(request) === null) return inRowOrder(request.rowShards, answers);
  return inKeyOrder(request, answers, request.resultFormats);
}

function sqlFor({ merge, sql, rowShards }: WriteRequest, shard: number): string {
  return merge.how === 'write' ? sql : insertText(merge, rowShards, shard);
}

/** The INSERT of the rows of one shard; `rowShards`: the shard of each row of VALUES. */
export function insertText(
  merge: InsertMerge,
  rowShards: readonly number[],
  shard: number,
): string {
  const rows = merge.rows.filter((_, i) => rowShards[i] === shard);
  return `${merge.before}${rows.join(', ')}${merge.after}`;
}

function concat(answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>): Buffer[] {
  return [...answers.values()].flatMap((answer) => answer.rows);
}

/**
 * Each shard answers its rows in the order it was given them. Where a row gave none, as by a trigger, the positions
 * are not known.
 */
export function inRowOrder(
  rowShards: readonly number[],
  answers: ReadonlyMap<number, { readonly rows: readonly Buffer[] }>,
): Buffer[] {
  const all = concat(answers);
  if (all.length !== rowShards.length) return all;
  const taken = new Map<number, number>();
  return rowShards.map((shard) => {
    const index = taken.get(shard) ?? 0;
    taken.set(shard, index + 1);
    return answers.get(shard)!.rows[index]!;
  });
}
