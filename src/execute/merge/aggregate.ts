// Aggregate: hash aggregation of the groups that the shards have aggregated in part.

import { MERGE_BATCH_ROWS } from '../../base/limits.ts';
import type { AggregateMerge } from '../../plan/plan.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import { decodeDataRow, encodeDataRow, type FieldDescription } from '../../wire/row.ts';
import { arrivals } from './arrivals.ts';
import { combiners } from './combine.ts';
import { type GroupRow, outputReader, type ValueReader, valueReader } from './group-value.ts';
import { conditionTest } from './having.ts';
import { MergeBudget } from './merge-budget.ts';
import type { MergeRequest, ShardRows } from './merge-request.ts';
import { type RowKey, rowKey } from './row-key.ts';
import { RowOrder, type SortValues } from './row-order.ts';
import { RowWindow } from './row-window.ts';
import { groupBinaryColumn } from './shard-layout.ts';

/** Type byte and length word before the body of a DataRow. */
const FRAME_HEADER_BYTES = 5;

/**
 * Everything that may be refused is, before the first row is taken. All groups are held until the
 * last row of the last shard has come.
 */
export async function* aggregateRows(
  merge: AggregateMerge,
  request: MergeRequest,
  style: OutputStyle,
): AsyncGenerator<readonly Buffer[]> {
  const fields = request.inputs[0]!.fields;
  const reader = (value: AggregateMerge['output'][number]) => valueReader(merge, fields, value);
  const combine = combiners(merge, fields);
  const key = groupRowKey(merge, fields, style);
  const output = merge.output.map((value, i) =>
    outputReader(merge, fields, value, request.output[i]!, style),
  );
  const having =
    merge.having === null
      ? null
      : conditionTest(merge.having, { reader, parameter: request.parameter, style });
  const sortReaders = merge.sort.map((sort) => reader(sort.column));
  const order = new RowOrder(
    merge.sort.map((sort, i) => ({ ...sort, typeOid: sortReaders[i]!.typeOid })),
  );
  const distinct = merge.distinct ? distinctRows(merge.output.map(reader), style) : null;
  const window = new RowWindow(request.limit, request.offset);
  if (window.closed) return;

  const groups = await mergedGroups(request, key, combine);
  let rows = having === null ? groups : groups.filter((row) => having(row) === true);
  if (distinct !== null) rows = distinct(rows);
  if (sortReaders.length > 0) rows = sorted(rows, sortReaders, order);
  let batch: Buffer[] = [];
  for (const row of rows) {
    if (!window.admits()) {
      if (window.closed) break;
      continue;
    }
    batch.push(encodeDataRow(output.map((read) => read(row))).subarray(FRAME_HEADER_BYTES));
    if (batch.length < MERGE_BATCH_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function groupRowKey(
  merge: AggregateMerge,
  fields: readonly FieldDescription[],
  style: OutputStyle,
): RowKey {
  const columns = Array.from({ length: merge.groupCount }, (_, i) => {
    const position = groupBinaryColumn(i);
    return { typeOid: fields[position]!.typeOid, format: 1, position };
  });
  return rowKey(columns, style, 'GROUP BY');
}

/** The groups in the order of their first rows. Without grouping expressions all rows are one. */
async function mergedGroups(
  request: { readonly inputs: readonly ShardRows[] } & Pick<MergeRequest, 'rowsMax' | 'bytesMax'>,
  key: RowKey,
  combine: ReturnType<typeof combiners>,
): Promise<GroupRow[]> {
  const groups = new Map<string, GroupRow>();
  const budget = new MergeBudget(request.rowsMax, request.bytesMax);
  for await (const batch of arrivals(request.inputs)) {
    for (const body of batch) {
      const row = decodeDataRow(body);
      const rowsKey = key(row);
      const group = groups.get(rowsKey);
      if (group === undefined) {
        budget.keep(body.length + rowsKey.length);
        // A copy: a view would keep the whole chunk of the socket in memory.
        groups.set(rowsKey, decodeDataRow(Buffer.from(body)));
      } else {
        for (const each of combine) each(group, row);
      }
    }
  }
  return [...groups.values()];
}

function distinctRows(
  readers: readonly ValueReader[],
  style: OutputStyle,
): (rows: readonly GroupRow[]) => GroupRow[] {
  const columns = readers.map(({ typeOid }, position) => ({ typeOid, format: 1, position }));
  const key = rowKey(columns, style, 'DISTINCT');
  return (rows) => {
    const seen = new Set<string>();
    return rows.filter((row) => {
      const values = key(readers.map((reader) => reader.binary(row)));
      if (seen.has(values)) return false;
      seen.add(values);
      return true;
    });
  };
}

function sorted(
  rows: readonly GroupRow[],
  readers: readonly ValueReader[],
  order: RowOrder,
): GroupRow[] {
  const keyed = rows.map((row): { row: GroupRow; keys: SortValues } => ({
    row,
    keys: readers.map((reader) => reader.binary(row)),
  }));
  keyed.sort((a, b) => order.compare(a.keys, b.keys));
  return keyed.map(({ row }) => row);
}
