// Merged aggregates against a real PostgreSQL that has all the rows in one table.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../../../src/base/pg.ts';
import { shardFormats } from '../../../src/execute/merge/merge-rows.ts';
import type { ConditionOperand, GroupValue } from '../../../src/plan/plan.ts';
import { TYPE } from '../../../src/value/type-oid.ts';
import { plainServer } from '../../support/cluster.ts';
import { connectAsText, textRows } from '../../support/text-client.ts';
import {
  ArrayShard,
  aggregate,
  average,
  collectText,
  concat,
  field,
  type Value,
} from './shard-rows.ts';

const SHARDS = [0, 1, 2];

let client: Client;
beforeAll(async () => {
  client = await connectAsText(plainServer());
  await client.query(`
    SELECT setseed(0.25);
    CREATE TEMP TABLE t AS SELECT
      i % 3 AS shard,
      round((random() * 4)::numeric, (i % 3)) AS g,
      CASE WHEN i % 7 > 0 THEN (random() * 100000 - 50000)::int END AS n,
      CASE WHEN i % 5 > 0 THEN round((random() * 1e6)::numeric, i % 9) END AS d,
      make_interval(months => i % 5, days => i % 40, secs => random() * 1e5) AS span,
      CASE WHEN i % 11 > 0 THEN chr(97 + i % 26) || (i % 13) END AS name
    FROM generate_series(1, 900) AS i`);
});
afterAll(() => client?.end());

/** A column of a shard's row: its SQL, its type and, where it is binary, its send function. */
type Column = readonly [sql: string, typeOid: number, send: string | null];

/** Runs `sql` over the columns on each shard; text and binary columns as a Bind would give them. */
async function shards(columns: readonly Column[], rest: string): Promise<ArrayShard[]> {
  const list = columns.map(([sql, , send]) =>
    send === null ? `(${sql})::text` : `encode(${send}(${sql}), 'hex')`,
  );
  const fields = columns.map(([, typeOid, send]) => field(typeOid, send === null ? 0 : 1));
  const value = (text: string | null, i: number): Value => {
    if (text === null) return null;
    return columns[i]![2] === null ? Buffer.from(text) : Buffer.from(text, 'hex');
  };
  const inputs: ArrayShard[] = [];
  for (const shard of SHARDS) {
    const sql = `SELECT ${list.join(', ')} FROM t WHERE shard = ${shard} ${rest}`;
    const rows = await textRows(client, sql);
    const values = rows.map((row) => row.map(value));
    inputs.push(new ArrayShard(fields, values, 10));
  }
  return inputs;
}

const group = (index: number): GroupValue => ({ from: 'group', index });
const state = (index: number): GroupValue => ({ from: 'state', index });

it('GROUP BY with HAVING and ORDER BY is answered as by one server', async () => {
  const columns: Column[] = [
    ['g', TYPE.numeric, null],
    ['g', TYPE.numeric, 'numeric_send'],
    ['count(*)', TYPE.int8, 'int8send'],
    ['sum(n)', TYPE.int8, 'int8send'],
    ['sum(n)', TYPE.int8, 'int8send'],
    ['count(n)', TYPE.int8, 'int8send'],
    ['sum(d)', TYPE.numeric, 'numeric_send'],
    ['count(d)', TYPE.int8, 'int8send'],
    ['sum(span)', TYPE.interval, 'interval_send'],
    ['count(span)', TYPE.int8, 'int8send'],
    ['min(name)', TYPE.text, null],
    ['min(name)', TYPE.text, 'textsend'],
    ['max(span)', TYPE.interval, null],
    ['max(span)', TYPE.interval, 'interval_send'],
  ];
  const half: ConditionOperand = { from: 'literal', kind: 'decimal', text: '-1500.5' };
  const merge = aggregate({
    groupCount: 1,
    states: [
      { combine: 'count', column: 2 },
      { combine: 'sum', column: 3 },
      average(4),
      average(6),
      average(8),
      { combine: 'min', column: 10 },
      { combine: 'max', column: 12 },
    ],
    // The group itself is not shown: of 1.0 and 1.00 either text is right.
    output: [0, 1, 2, 3, 4, 5, 6].map(state),
    having: {
      op: 'and',
      args: [
        { op: '>', left: state(2), right: half },
        { op: 'not', arg: { op: 'isNull', value: state(3) } },
      ],
    },
    sort: [
      { column: state(0), descending: true, nullsFirst: true },
      { column: group(0), descending: false, nullsFirst: false },
    ],
  });
  const types = [
    ...[TYPE.int8, TYPE.int8, TYPE.numeric, TYPE.numeric],
    ...[TYPE.interval, TYPE.text, TYPE.interval],
  ];
  const output = types.map((typeOid) => field(typeOid, 0));
  const formats = shardFormats(merge, new Array(types.length).fill(0));
  const asked = columns.map(([, , send]) => (send === null ? 0 : 1));
  // The group's text is not shown, so it need not be text.
  expect(formats).toEqual([1, ...asked.slice(1)]);

  const inputs = await shards(columns, 'GROUP BY g');
  const whole = await textRows(
    client,
    `SELECT count(*), sum(n), avg(n), avg(d), avg(span), min(name), max(span)
       FROM t GROUP BY g HAVING avg(n) > -1500.5 AND avg(d) IS NOT NULL
       ORDER BY count(*) DESC, g OFFSET 3 LIMIT 40`,
  );
  expect(whole.length).toBeGreaterThan(20);
  expect(await collectText({ merge, inputs, output, offset: 3n, limit: 40n })).toEqual(whole);
});

it('ORDER BY several keys is answered as by one server', async () => {
  const columns: Column[] = [
    ['name', TYPE.text, null],
    ['d', TYPE.numeric, null],
    ['name', TYPE.text, 'textsend'],
    ['d', TYPE.numeric, 'numeric_send'],
  ];
  // Qualified: plain names would mean the output columns, which are texts on the shards.
  const order = 'ORDER BY t.name DESC NULLS LAST, t.d NULLS FIRST';
  const merge = concat({
    hiddenColumns: 2,
    sort: [
      { column: { fromEnd: 1 }, descending: true, nullsFirst: false },
      { column: { fromEnd: 0 }, descending: false, nullsFirst: true },
    ],
  });
  const output = [field(TYPE.text, 0), field(TYPE.numeric, 0)];
  const inputs = await shards(columns, order);
  const whole = await textRows(client, `SELECT name, d FROM t ${order}`);
  expect(await collectText({ merge, inputs, output })).toEqual(whole);
});
