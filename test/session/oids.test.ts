// Oids: a client sees one server's numbers for tables and types, and may use them everywhere.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { BodyReader } from '../../src/wire/bytes.ts';
import {
  decodeParameterDescription,
  encodeBind,
  encodeDescribe,
  encodeExecute,
  encodeParse,
  SYNC,
} from '../../src/wire/extended.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { decodeDataRow, decodeRowDescription } from '../../src/wire/row.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  errorCode,
  RawClient,
  type RawMessage,
  rawMessage,
  tagsOf,
} from '../support/raw-client.ts';

const SHARDS = 3;

const TYPES = [
  `CREATE TYPE mood AS ENUM ('sad', 'glad')`,
  'CREATE TYPE spot AS (x int, label text)',
  'CREATE DOMAIN small AS int CHECK (VALUE < 1000)',
];
/** Made of those. */
const MADE = [
  'CREATE TYPE pair AS (left_mood mood, moods mood[], spot spot)',
  'CREATE TYPE spots AS RANGE (subtype = spot)',
];
const TABLE = `CREATE TABLE things (user_id int8, mood mood, moods mood[], pair pair, pairs pair[],
  small small, spots spots, spread spots_multirange, note text)`;

let proxy: TestProxy;
let client: RawClient;
/** Of the home shard, by name. */
let home: ReadonlyMap<string, number>;

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: SHARDS,
    prepare: async ({ shards }) => {
      for (const { id, ...place } of shards) {
        const direct = new Client(place);
        await direct.connect();
        // Another order, and other numbers, on each.
        for (let i = 0; i < id; i++) await direct.query(`CREATE TABLE only_here_${i} (a int)`);
        const types = id === 1 ? TYPES.toReversed() : TYPES;
        for (const sql of [...types, ...MADE, TABLE]) {
          await direct.query(sql);
        }
        await direct.end();
      }
    },
  });
  client = await RawClient.login(proxy.login);
  for (let key = 0; key < 2 * SHARDS; key++) await client.rows(rowOf(key));
  const rows = await client.rows(
    `SELECT typname, oid FROM pg_type UNION ALL SELECT 'table ' || relname, oid FROM pg_class`,
  );
  home = new Map(rows.map(([name, oid]) => [name!, Number(oid)]));
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

const rowOf = (key: number) =>
  `INSERT INTO things VALUES (${key}, 'glad', '{sad,glad}', ROW('sad', '{glad}', ROW(1, 'a')),
    ARRAY[ROW('glad', '{sad,NULL}', NULL), NULL]::pair[], 7, spots(ROW(1, 'a'), ROW(2, 'b')),
    spots_multirange(spots(ROW(1, 'a'), ROW(2, 'b'))), 'n')`;

const COLUMNS = 'mood, moods, pair, pairs, small, spots, spread, ROW(mood, moods), note';
const TYPE_NAMES = [
  ...['mood', '_mood', 'pair', '_pair', 'int4', 'spots', 'spots_multirange', 'record', 'text'],
];

const seen = (messages: readonly RawMessage[]): string[] =>
  messages.map(({ type, body }) => `${type} ${body.toString('latin1')}`);

/** The messages of a statement for one key, in the extended protocol. */
async function ask(
  sql: string,
  options: {
    readonly types?: readonly number[];
    readonly values?: readonly Buffer[];
    readonly describes?: readonly ('statement' | 'portal')[];
    readonly maxRows?: number;
  } = {},
): Promise<RawMessage[]> {
  const { types = [], values = [], describes = ['statement', 'portal'], maxRows = 0 } = options;
  client.send(
    encodeParse({ name: '', sql, parameterTypes: [...types] }),
    ...(describes.includes('statement') ? [encodeDescribe({ target: 'statement', name: '' })] : []),
    encodeBind({
      portal: '',
      statement: '',
      parameterFormats: [1],
      parameters: [...values],
      resultFormats: [1],
    }),
    ...(describes.includes('portal') ? [encodeDescribe({ target: 'portal', name: '' })] : []),
    encodeExecute({ portal: '', maxRows }),
    SYNC,
  );
  return client.untilReady();
}

const reader = ({ body }: RawMessage) => new BodyReader(body, 0, body.length);
const fieldsIn = (messages: readonly RawMessage[]) =>
  decodeRowDescription(reader(messages.find(({ type }) => type === 'T')!));
const valuesIn = (messages: readonly RawMessage[]) =>
  messages.filter(({ type }) => type === 'D').map(({ body }) => decodeDataRow(body));

describe('What a client is told', () => {
  it('of a cursor over copies is what it is told of its query', async () => {
    const query =
      'SELECT t.note, t, t.small, array_agg(t) OVER (), count(*) OVER () FROM things t ORDER BY user_id';
    const asked = fieldsIn(await ask(query));
    expect(asked[1]!.typeOid).toBe(home.get('things'));
    expect(asked[0]).toMatchObject({ tableOid: home.get('table things'), columnNumber: 9 });
    await client.rows(`BEGIN; DECLARE c CURSOR FOR ${query}; DECLARE d CURSOR FOR ${query}`);
    for (const cursor of ['c', 'd', 'c']) {
      const fetched = await ask(`FETCH ${cursor}`);
      expect(fieldsIn(fetched)).toEqual(asked);
      // Dimensions, flags, then the type of the elements.
      expect(valuesIn(fetched)[0]![3]!.readUInt32BE(8)).toBe(home.get('things'));
    }
    expect(tagsOf(await client.query('COMMIT'))).toEqual(['COMMIT']);
    await client.rows(
      `DECLARE h CURSOR WITH HOLD FOR ${query.replace(/ t, | array_agg.*, /g, ' ')}`,
    );
    expect(fieldsIn(await ask('FETCH h'))).toEqual(
      fieldsIn(await ask(query.replace(/ t, | array_agg.*, /g, ' '))),
    );
    await client.rows('CLOSE h');
  });

  it.each([
    'SELECT array_agg(t ORDER BY user_id), count(DISTINCT note) FROM things t',
    'SELECT ARRAY(SELECT t FROM things t ORDER BY user_id)',
    'SELECT array_agg(t) OVER () FROM things t ORDER BY user_id LIMIT 1',
    'SELECT (SELECT array_agg(t) FROM things t) FROM things',
  ])('is the table’s of whole rows in an array, also where they are copied: %s', async (sql) => {
    for (const inBlock of [false, true]) {
      if (inBlock) await client.query("BEGIN; UPDATE things SET note = 'n'");
      const answer = await ask(sql);
      if (inBlock) await client.query('ROLLBACK');
      expect(fieldsIn(answer)[0]!.typeOid).toBe(home.get('_things'));
      // Dimensions, flags, then the type of the elements.
      expect(valuesIn(answer)[0]![0]!.readUInt32BE(8)).toBe(home.get('things'));
    }
  });

  it('is the table’s of whole rows in a binary COPY of copies', async () => {
    const copied = await client.query(
      'COPY (SELECT array_agg(t ORDER BY user_id), count(DISTINCT note) FROM things t) TO STDOUT (FORMAT binary)',
    );
    const first = copied.find(({ type }) => type === 'd')!.body;
    // COPY's header, the number of columns, the bytes of the first, dimensions, flags.
    expect(first.readUInt32BE(19 + 2 + 4 + 8)).toBe(home.get('things'));
  });

  it.each([
    'SELECT tableoid FROM things',
    'SELECT tableoid, count(*) OVER () FROM things ORDER BY user_id',
    ...[0, 1, 2].map((key) => `SELECT tableoid FROM things WHERE user_id = ${key}`),
  ])('has the home shard’s number of the table: %s', async (sql) => {
    for (const inBlock of [false, true]) {
      if (inBlock) await client.query('BEGIN');
      const numbers = (await client.rows(sql)).map(([number]) => Number(number));
      expect(new Set(numbers)).toEqual(new Set([home.get('table things')]));
      if (inBlock) await client.query('ROLLBACK');
    }
  });

  it('has the numbers of the home shard, whichever shard answers', async () => {
    for (let key = 0; key < SHARDS; key++) {
      // Often enough that servers keep the statement.
      for (let round = 0; round < 4; round++) {
        const fields = fieldsIn(
          await client.query(`SELECT ${COLUMNS} FROM things WHERE user_id = ${key}`),
        );
        expect(fields.map(({ typeOid }) => typeOid)).toEqual(
          TYPE_NAMES.map((name) => home.get(name)),
        );
        expect(fields.map(({ tableOid }) => tableOid)).toEqual(
          TYPE_NAMES.map((name) => (name === 'record' ? 0 : home.get('table things'))),
        );
      }
    }
  });

  it.each([
    [
      'by Query',
      (key: number) => client.query(`SELECT ${COLUMNS} FROM things WHERE user_id = ${key}`),
    ],
    ['in binary', (key: number) => ask(`SELECT ${COLUMNS} FROM things WHERE user_id = ${key}`)],
    [
      'in binary without a description',
      (key: number) =>
        ask(`SELECT ${COLUMNS} FROM things WHERE user_id = ${key}`, { describes: [] }),
    ],
    [
      'in binary, row by row in a transaction',
      async (key: number) => {
        await client.query('BEGIN');
        const options = { describes: [], maxRows: 1 };
        const first = await ask(
          `SELECT ${COLUMNS} FROM things WHERE user_id IN (${key}, ${key + SHARDS})`,
          options,
        );
        client.send(encodeExecute({ portal: '', maxRows: 1 }), SYNC);
        return [...first, ...(await client.untilReady()), ...(await client.query('COMMIT'))];
      },
    ],
    [
      'of a cursor in binary',
      async (key: number) => {
        await client.query('BEGIN');
        const declare = `DECLARE c BINARY CURSOR FOR SELECT ${COLUMNS} FROM things`;
        const declared = await client.query(`${declare} WHERE user_id = ${key}`);
        const fetched = await client.query('FETCH 2 FROM c');
        return [...declared, ...fetched, ...(await client.query('COMMIT'))];
      },
    ],
    [
      'by a write that returns',
      (key: number) =>
        ask(`UPDATE things SET note = 'n' WHERE user_id = ${key} RETURNING ${COLUMNS}`),
    ],
    [
      'by EXECUTE',
      async (key: number) => {
        await client.query(`PREPARE p AS SELECT ${COLUMNS} FROM things WHERE user_id = $1`);
        const text = await client.query(`EXECUTE p (${key})`);
        const binary = await ask(`EXECUTE p (${key})`, { describes: [] });
        await client.query('DEALLOCATE p');
        return [...text, ...binary];
      },
    ],
  ])('is the same from every shard: %s', async (_, answer) => {
    const first = await answer(0);
    expect(errorCode(first)).toBe('');
    expect(valuesIn(first).length).toBeGreaterThan(0);
    for (let key = 1; key < SHARDS; key++) expect(seen(await answer(key))).toEqual(seen(first));
  });

  it('is the same from all shards together, streamed and in portions', async () => {
    const sql = `SELECT ${COLUMNS} FROM things`;
    const [one] = valuesIn(await ask(`${sql} WHERE user_id = 0`));
    const all = valuesIn(await ask(sql));
    expect(all).toEqual(Array.from({ length: 2 * SHARDS }, () => one));
    await client.query('BEGIN');
    const rows = valuesIn(await ask(sql, { maxRows: 1 }));
    for (let i = 1; i < 2 * SHARDS; i++) {
      client.send(encodeExecute({ portal: '', maxRows: 1 }), SYNC);
      rows.push(...valuesIn(await client.untilReady()));
    }
    await client.query('COMMIT');
    expect(rows).toEqual(all);
    expect(valuesIn(await ask(`SELECT DISTINCT moods, pair FROM things`))).toHaveLength(1);
  });

  it('is right for types made a moment ago, in their own transaction, too', async () => {
    await client.query('BEGIN');
    await client.query(`CREATE TYPE late AS ENUM ('a')`);
    await client.query('CREATE TABLE lates (user_id int8, late late[])');
    const answers: string[][] = [];
    const read = async () => {
      for (let key = 0; key < SHARDS; key++) {
        answers.push(seen(await ask(`SELECT late FROM lates WHERE user_id = ${key}`)));
      }
    };
    for (let key = 0; key < SHARDS; key++) {
      await client.rows(`INSERT INTO lates VALUES (${key}, '{a}')`);
    }
    await read();
    await client.query('COMMIT');
    const inside = answers.splice(0).map((lines) => lines.slice(0, -1));
    await read();
    expect(new Set(inside.map(String)).size).toBe(1);
    expect(new Set(answers.map(String)).size).toBe(1);
    expect(answers[0]!.slice(0, -1)).toEqual(inside[0]);
    const [[oid]] = (await client.rows(`SELECT 'late[]'::regtype::oid`)) as [[string]];
    expect(
      fieldsIn(await client.query('SELECT late FROM lates WHERE user_id = 1'))[0]!.typeOid,
    ).toBe(Number(oid));
  });
});

describe('What a client learnt', () => {
  /** As the home shard sends it. */
  async function binary(expression: string): Promise<Buffer> {
    return valuesIn(await ask(`SELECT ${expression}`))[0]![0]!;
  }

  const VALUES = [
    ['mood', `'sad'::mood`],
    ['_mood', `'{glad,glad}'::mood[]`],
    ['pair', `ROW('sad', '{glad}', ROW(3, 'c'))::pair`],
    ['_pair', `ARRAY[ROW('sad', '{glad}', ROW(3, 'c'))]::pair[]`],
    ['spots', `spots(ROW(1, 'a'), ROW(5, 'b'))`],
  ] as const;

  it.each(VALUES)('goes to any shard as a parameter: %s', async (type, expression) => {
    const column = { mood: 'mood', _mood: 'moods', pair: 'pair', _pair: 'pairs', spots: 'spots' }[
      type
    ];
    const sqlType = expression.split('::')[1] ?? type;
    const value = await binary(`(SELECT ${expression} FROM things WHERE user_id = 0)`);
    for (const types of [[], [home.get(type)!]]) {
      for (let key = 0; key < SHARDS; key++) {
        const update = `UPDATE things SET ${column} = $1 WHERE user_id = ${key} RETURNING ${column}`;
        const answer = await ask(update, { types, values: [value] });
        expect(errorCode(answer)).toBe('');
        const described = answer.find((message) => message.type === 't')!;
        expect(decodeParameterDescription(reader(described))).toEqual([home.get(type)]);
        expect(valuesIn(answer)).toEqual([[value]]);
      }
      const counted = await ask(`SELECT count(*) FROM things WHERE ${column} = $1::${sqlType}`, {
        types,
        values: [value],
      });
      expect(valuesIn(counted)[0]![0]!.readBigInt64BE()).toBe(BigInt(SHARDS));
      const everywhere = await ask(`UPDATE things SET ${column} = $1`, { types, values: [value] });
      expect(tagsOf(everywhere)).toEqual([`UPDATE ${2 * SHARDS}`]);
      for (let key = 0; key < 2 * SHARDS; key++) {
        await client.rows(`DELETE FROM things WHERE user_id = ${key}`);
        await client.rows(rowOf(key));
      }
    }
  });

  it('holds for a type that only the parameter has', async () => {
    const oid = home.get('mood')!;
    for (let key = 0; key < SHARDS; key++) {
      const sql = `SELECT $1 FROM things WHERE user_id = ${key}`;
      const answer = await ask(sql, { types: [oid], values: [Buffer.from('sad')] });
      expect(fieldsIn(answer)[0]!.typeOid).toBe(oid);
    }
  });

  it('fills a portal over several shards, too', async () => {
    const value = await binary(`'{sad,glad}'::mood[]`);
    await client.query('BEGIN');
    for (const types of [[], [home.get('_mood')!]]) {
      const options = { types, values: [value], maxRows: 1, describes: [] };
      const rows = valuesIn(await ask('SELECT note FROM things WHERE moods = $1', options));
      for (let i = 1; i < 2 * SHARDS; i++) {
        client.send(encodeExecute({ portal: '', maxRows: 1 }), SYNC);
        rows.push(...valuesIn(await client.untilReady()));
      }
      expect(rows).toHaveLength(2 * SHARDS);
    }
    await client.query('COMMIT');
  });

  it('is in a COPY in binary, which goes back to any shard', async () => {
    const columns = 'mood, moods, pair, pairs, spots, spread';
    const copied = async (sql: string) => {
      const answer = await client.query(sql);
      expect(errorCode(answer)).toBe('');
      return answer.filter(({ type }) => type === 'd').map(({ body }) => body);
    };
    const query = (key: number) => `(SELECT ${columns} FROM things WHERE user_id = ${key})`;
    const one = await copied(`COPY ${query(0)} TO STDOUT (FORMAT binary)`);
    for (let key = 1; key < SHARDS; key++) {
      expect(await copied(`COPY ${query(key)} TO STDOUT (FORMAT binary)`)).toEqual(one);
    }
    const all = await copied(`COPY things (user_id, ${columns}) TO STDOUT (FORMAT binary)`);
    await client.query('CREATE TABLE again (LIKE things)');
    client.send(encodeQuery(`COPY again (user_id, ${columns}) FROM STDIN (FORMAT binary)`));
    client.send(...all.map((body) => rawMessage('d', body)), rawMessage('c'));
    expect(tagsOf(await client.untilReady())).toEqual([`COPY ${2 * SHARDS}`]);
    const rows = (table: string) =>
      client.rows(`SELECT user_id, ${columns} FROM ${table} ORDER BY user_id`);
    expect(await rows('again')).toEqual(await rows('things'));
  });

  it('is refused in a COPY in binary to a reference table', async () => {
    await client.query('CREATE TABLE moods (id int, moods mood[])');
    await client.rows(`SELECT create_reference_table('moods')`);
    expect(errorCode(await client.query('COPY moods FROM STDIN (FORMAT binary)'))).toBe('0A000');
  });
});
