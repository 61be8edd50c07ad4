// Shards made of arrays: rows given in batches, each next() answered when the test says so.

import type { MergeRequest, ShardRows } from '../../../src/execute/merge/merge-request.ts';
import { mergeRows } from '../../../src/execute/merge/merge-rows.ts';
import type { AggregateMerge, AverageState, ConcatMerge } from '../../../src/plan/plan.ts';
import { parseNumeric } from '../../../src/value/numeric.ts';
import { encodeNumeric } from '../../../src/value/numeric-binary.ts';
import { decodeDataRow, encodeDataRow, type FieldDescription } from '../../../src/wire/row.ts';

export type Value = Buffer | null;

export function field(typeOid: number, format = 1, name = 'c'): FieldDescription {
  return { name, tableOid: 0, columnNumber: 0, typeOid, typeSize: -1, typeModifier: -1, format };
}

function body(values: readonly Value[]): Buffer {
  return Buffer.from(encodeDataRow([...values]).subarray(5));
}

export const text = (value: string | number | bigint): Buffer => Buffer.from(String(value));

export function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int8(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

export function float8(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

export const numeric = (value: string): Buffer => encodeNumeric(parseNumeric(value)!);

/** A shard that sends `rows` in batches of `batchRows`; `pulls` counts its next() calls. */
export class ArrayShard implements ShardRows {
  readonly fields: readonly FieldDescription[];
  pulls = 0;
  #batches: Buffer[][] = [];

  constructor(
    fields: readonly FieldDescription[],
    rows: readonly (readonly Value[])[],
    batchRows = 3,
  ) {
    this.fields = fields;
    for (let at = 0; at < rows.length; at += batchRows) {
      this.#batches.push(rows.slice(at, at + batchRows).map(body));
    }
  }

  async next(): Promise<readonly Buffer[] | null> {
    this.pulls++;
    return this.#batches.shift() ?? null;
  }
}

const SHARD_SQL = { before: '', after: '', pushLimit: false } as const;

export function concat(merge: Partial<ConcatMerge> = {}): ConcatMerge {
  return {
    how: 'concat',
    shardSql: SHARD_SQL,
    hiddenColumns: 0,
    sort: [],
    distinct: false,
    limit: null,
    offset: null,
    locks: null,
    ...merge,
  };
}

export function aggregate(
  merge: Partial<AggregateMerge> & Pick<AggregateMerge, 'groupCount' | 'states' | 'output'>,
): AggregateMerge {
  return {
    how: 'aggregate',
    shardSql: SHARD_SQL,
    having: null,
    sort: [],
    distinct: false,
    limit: null,
    offset: null,
    ...merge,
  };
}

/** Of numbers that are not floating-point, with their sum and count from this column on. */
export const average = (column: number): AverageState => ({
  combine: 'avg',
  column,
  variance: '',
  varianceColumn: null,
});

export type TestRequest = Pick<MergeRequest, 'merge' | 'inputs' | 'output'> & Partial<MergeRequest>;

export function request(given: TestRequest): MergeRequest {
  return {
    limit: null,
    offset: 0n,
    parameter: () => {
      throw new Error('no parameters');
    },
    rowsMax: 1_000_000,
    bytesMax: 1 << 28,
    ...given,
  };
}

/** All merged rows, decoded. */
export async function collect(given: TestRequest): Promise<Value[][]> {
  const rows: Value[][] = [];
  for await (const batch of mergeRows(request(given))) rows.push(...batch.map(decodeDataRow));
  return rows;
}

/** Rows as arrays of strings. */
export async function collectText(given: TestRequest): Promise<(string | null)[][]> {
  const rows = await collect(given);
  return rows.map((row) => row.map((value) => value?.toString() ?? null));
}
