// EXPLAIN over several shards: the class, the shards, and the servers' own plans, in every format.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: 3,
    prepare: async ({ shards }) => {
      for (const place of shards) {
        const direct = await RawClient.login(place);
        await direct.rows(`
          CREATE TABLE files (user_id bigint, id int, name text, PRIMARY KEY (user_id, id));
          CREATE TABLE notes (id int PRIMARY KEY);`);
        await direct.close();
      }
    },
  });
  client = await RawClient.login(proxy.login);
  const rows = Array.from({ length: 30 }, (_, i) => `(${i % 6}, ${i}, 'f ${i % 4}')`);
  await client.rows(`INSERT INTO files VALUES ${rows.join(', ')}`);
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

/** The answer's lines, each without its costs. */
async function lines(sql: string): Promise<string[]> {
  const messages = await client.query(sql);
  expect(errorCode(messages), sql).toBe('');
  return rowsOf(messages).map(([line]) => line!.replace(/ +\(cost.*\)/, ''));
}

interface Node {
  readonly 'Node Type': string;
  readonly Class?: number;
  readonly Shard?: number;
  readonly Shards?: readonly number[];
  readonly Steps?: readonly string[];
  readonly Plans?: readonly Node[];
  readonly 'Startup Cost'?: number;
  readonly 'Total Cost'?: number;
  readonly 'Plan Rows'?: number;
  readonly 'Plan Width'?: number;
}

async function tree(options: string, sql: string): Promise<Node> {
  const [document] = rowsOf(await client.query(`EXPLAIN (${options}, FORMAT JSON) ${sql}`));
  return (JSON.parse(document![0]!) as [{ Plan: Node }])[0].Plan;
}

describe('EXPLAIN', () => {
  it('as text names the class, the shards, what is sent to each and what is done with the rows', async () => {
    expect(await lines('EXPLAIN (COSTS OFF) SELECT id FROM files ORDER BY id LIMIT 2')).toEqual([
      'Drive (class 1) on shards 0, 1, 2',
      '  SELECT read on all shards',
      '  each: SELECT id, id AS "drive.sort" FROM files ORDER BY id LIMIT …',
      '  merge: sorted hidden 1 by [last-0 asc nulls last] limit 2',
      ...[0, 1, 2].flatMap((shard) => [
        `  ->  Statement on shard ${shard}`,
        '        Limit',
        '          ->  Sort',
        '                Sort Key: id',
        '                ->  Seq Scan on files',
      ]),
    ]);
  });

  it.each([
    ['several shards', 'EXPLAIN SELECT id FROM files'],
    ['one shard', 'EXPLAIN SELECT id FROM files WHERE user_id = 4'],
    ['a write', 'EXPLAIN ANALYZE DELETE FROM files WHERE id < 0'],
    ['what the merge engine computes', 'EXPLAIN SELECT rank() OVER (ORDER BY id) FROM files'],
    ['the proxy itself', 'SHOW drive.shards'],
  ])('gives a portal as many rows as it asks for: %s', async (_, sql) => {
    const whole = rowsOf(await client.query(sql)).length;
    client.send(say.query('BEGIN'));
    await client.until('Z');
    client.send(say.parse(sql), say.bind([], '', 'p'), say.execute('p', 2), say.execute('p', 1));
    client.send(say.execute('p'), say.execute('p'), say.execute('p', 2), say.sync);
    const parts = await client.until('Z');
    client.send(say.query('ROLLBACK'));
    await client.until('Z');
    expect(letters(parts)).toBe(`12DDsDs${'D'.repeat(whole - 3)}CCCZ`);
    const tags = parts.filter(({ type }) => type === 'C').map(({ body }) => body.toString());
    expect(new Set(tags)).toEqual(new Set([`${sql.split(' ')[0]}\0`]));
  });

  it.each([
    ['SELECT * FROM files WHERE user_id = 4', 0],
    ['SELECT * FROM files ORDER BY id LIMIT 2', 1],
    ['SELECT name, count(*) FROM files GROUP BY name', 2],
    ['SELECT name, rank() OVER (ORDER BY id) FROM files', 3],
  ])('tells what all servers’ parts cost together: %s', async (sql, planClass) => {
    const [first] = rowsOf(await client.query(`EXPLAIN ${sql}`));
    const plan = await tree('COSTS', sql);
    expect(plan.Class).toBe(planClass);
    const costs = plan.Plans!.map(({ Plans: [own] = [] }) => own!);
    const total = costs.reduce((sum, own) => sum + own['Total Cost']!, 0);
    expect(plan['Total Cost']).toBeCloseTo(total, 2);
    expect(plan['Startup Cost']).toBeLessThanOrEqual(plan['Total Cost']!);
    const rows = costs.map((own) => own['Plan Rows']!);
    const ofAll = { 0: rows[0], 1: 6, 2: Math.max(...rows), 3: rows.at(-1) };
    expect(plan['Plan Rows']).toBe(ofAll[planClass as 0]);
    const [startup, whole] = [plan['Startup Cost']!.toFixed(2), plan['Total Cost']!.toFixed(2)];
    const { 'Plan Rows': count, 'Plan Width': width } = plan;
    const cost = `(cost=${startup}..${whole} rows=${count} width=${width})`;
    expect(first![0]!.endsWith(`  ${cost}`)).toBe(true);
  });

  it('of one shard is that server’s plan under the shard’s number', async () => {
    const [first, second, third, ...plan] = await lines(
      'EXPLAIN SELECT * FROM files WHERE user_id = 4 AND id = 4',
    );
    expect([first, second, third]).toEqual([
      'Drive (class 0) on shard 1',
      '  SELECT read on keys [4]',
      '  ->  Statement on shard 1',
    ]);
    expect(plan.join('\n')).toMatch(/^ {8}\S.*files/);
  });

  it('of aggregates shows partial ones, of the merge engine each leaf and the work over copies', async () => {
    const groups = await tree('COSTS OFF', 'SELECT name, count(*) FROM files GROUP BY name');
    expect(groups).toMatchObject({ Class: 2, Shards: [0, 1, 2] });
    expect(groups.Plans!.map((plan) => plan.Plans![0]!['Node Type'])).toEqual([
      'Aggregate',
      'Aggregate',
      'Aggregate',
    ]);
    const engine = await tree('COSTS OFF', 'SELECT id, rank() OVER (ORDER BY id) FROM files');
    expect(engine).toMatchObject({ Class: 3 });
    expect(engine.Steps).toContain('leaf 1: "public"."files" ("user_id", "id")');
    const parts = engine.Plans!.map((plan) => [plan['Node Type'], plan.Shard]);
    expect(parts).toEqual([
      ['Leaf 1', 0],
      ['Leaf 1', 1],
      ['Leaf 1', 2],
      ['Over copies', 0],
    ]);
    expect(engine.Plans![3]!.Plans![0]!['Node Type']).toBe('WindowAgg');
  });

  it('ANALYZE runs the statement: rows are counted on each shard and over the copies', async () => {
    const sql = 'SELECT id, rank() OVER (ORDER BY id) FROM files';
    const { Plans } = await tree('ANALYZE', sql);
    const counts = Plans!.map((plan) => Number(Object(plan.Plans![0])['Actual Rows']));
    expect(counts.slice(0, 3).reduce((sum, count) => sum + count)).toBe(30);
    expect(counts[3]).toBe(30);
    const text = await lines(`EXPLAIN ANALYZE VERBOSE ${sql}`);
    expect(text.filter((line) => line.includes('Execution Time'))).toHaveLength(4);
  });

  it('ANALYZE of a write writes on every shard, or on none where one fails; without it on none', async () => {
    const count = async () =>
      (await client.rows("SELECT count(*) FROM files WHERE name = 'x'"))[0]![0];
    await lines("EXPLAIN UPDATE files SET name = 'x'");
    await lines("EXPLAIN (ANALYZE off) UPDATE files SET name = 'x'");
    expect(await count()).toBe('0');
    const failing = "EXPLAIN ANALYZE UPDATE files SET name = 'x' WHERE 1 / (id - 29) < 9";
    expect(errorCode(await client.query(failing))).toBe('22012');
    expect(await count()).toBe('0');
    await client.query('BEGIN');
    await lines("EXPLAIN (ANALYZE) UPDATE files SET name = 'x' WHERE id < 10");
    expect(await count()).toBe('10');
    await client.query('ROLLBACK');
    const insert = "EXPLAIN ANALYZE INSERT INTO files VALUES (1, 100, 'x'), (2, 101, 'x')";
    expect((await lines(insert)).filter((line) => /Insert on/.test(line))).toHaveLength(2);
    expect(await count()).toBe('2');
    await client.rows('DELETE FROM files WHERE id >= 100');
  });

  it('as YAML and XML says the same as in JSON', async () => {
    const sql = "SELECT count(*) FROM files WHERE name <> '<&>'";
    const json = await tree('COSTS OFF', sql);
    const [[yaml]] = rowsOf(await client.query(`EXPLAIN (FORMAT YAML, COSTS OFF) ${sql}`)) as [
      [string],
    ];
    expect(parseYaml(yaml)).toEqual([{ Plan: json }]);
    const [[xml]] = rowsOf(await client.query(`EXPLAIN (COSTS OFF, FORMAT XML) ${sql}`)) as [
      [string],
    ];
    expect(xml).toContain('<Node-Type>Drive</Node-Type>');
    expect(xml).toContain('&lt;&amp;&gt;');
    const valid = await client.query(`SELECT xml_is_well_formed_document($$${xml}$$)`);
    expect(rowsOf(valid)).toEqual([['t']]);
  });

  it('takes parameters, by which it finds the shards', async () => {
    const sql = 'EXPLAIN (COSTS OFF) SELECT id FROM files WHERE user_id = ANY($1) LIMIT $2';
    client.send(say.parse(sql, '', [1016, 20]), say.bind(['{1,2}', '7']), say.describe('portal'));
    client.send(say.execute(), say.sync);
    const answer = await client.until('Z');
    expect(errorCode(answer)).toBe('');
    expect(rowsOf(answer)[0]).toEqual(['Drive (class 1) on shards 1, 2']);
  });

  it('shows that the shards apply a condition on a parameter before rows are copied', async () => {
    const sql = 'EXPLAIN (COSTS OFF) SELECT count(DISTINCT name) FROM files WHERE id > $1';
    client.send(say.parse(sql, '', [23]), say.bind(['28']), say.execute(), say.sync);
    const answer = rowsOf(await client.until('Z')).map(([line]) => line!.trim());
    expect(answer.filter((line) => line === 'Filter: (id > 28)')).toHaveLength(4);
  });

  it('of a generic plan leaves the parameters unbound, also over copies', async () => {
    const window = 'SELECT id, rank() OVER (ORDER BY id) FROM files WHERE name = $1 LIMIT $2';
    for (const begin of ['', 'BEGIN']) {
      await client.query(begin);
      const plan = await lines(`EXPLAIN (GENERIC_PLAN, COSTS OFF) ${window}`);
      expect(plan[0]).toBe('Drive (class 3) on shards 0, 1, 2');
      expect(plan.filter((line) => line.includes('Filter: (name = $1)'))).toHaveLength(1);
    }
    await client.query('ROLLBACK');
  });

  it('of a write whose rows are computed first shows how they are computed', async () => {
    const insert = 'INSERT INTO notes SELECT max(id) FROM files GROUP BY name';
    const update = 'UPDATE files f SET name = g.name FROM files g WHERE g.id = f.id + 1';
    const merge =
      'MERGE INTO notes n USING (SELECT id FROM files) f ON f.id = n.id WHEN NOT MATCHED THEN INSERT VALUES (f.id)';
    const inserted = await lines(`EXPLAIN (COSTS OFF) ${insert}`);
    expect(inserted.slice(0, 6)).toEqual([
      'Drive on shards 0, 1, 2',
      '  INSERT write on all shards',
      '  rows: SELECT max(id) FROM files GROUP BY name',
      '  merge: insert rows to home: INSERT INTO notes …',
      '    SELECT read on all shards',
      expect.stringMatching(/^ {4}each: SELECT/),
    ]);
    const nodes = async (sql: string) =>
      (await tree('COSTS OFF', sql)).Plans!.map((plan) => [plan['Node Type'], plan.Shard]);
    const over = [0, 1, 2].map((shard) => ['Statement', shard]);
    expect(await nodes(insert)).toEqual(over);
    expect(await nodes(merge)).toEqual(over);
    expect((await nodes(update)).at(-1)).toEqual(['Over copies', 0]);
    const moved = await lines('EXPLAIN UPDATE files SET user_id = user_id + 1 WHERE user_id = 4');
    expect(moved.join('\n')).toMatch(/-> {2}Statement on shard 1\n.*Seq Scan|Index|Bitmap/);
    const computed = 'INSERT INTO files (user_id, id) VALUES (1 + 1, 500), (length($$abc$$), 501)';
    expect(await tree('COSTS OFF', computed)).toMatchObject({ 'Node Type': 'Drive', Plans: [] });
    expect(await client.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
    expect(await client.rows('SELECT count(*) FROM files WHERE id >= 500')).toEqual([['0']]);
  });

  it('ANALYZE of such a write measures its query, and does it once', async () => {
    const state = async () => [
      await client.rows('SELECT * FROM notes ORDER BY id'),
      await client.rows('SELECT * FROM files ORDER BY id'),
    ];
    const before = await state();
    for (const [sql, tag] of [
      ['INSERT INTO notes SELECT max(id) FROM files GROUP BY name', 'INSERT 0 4'],
      ['INSERT INTO notes SELECT id FROM files FOR UPDATE', 'INSERT 0 30'],
      ['UPDATE files f SET name = g.name FROM files g WHERE g.id = f.id + 1', 'UPDATE 29'],
      ['UPDATE files SET user_id = user_id + 1 WHERE id < 7', 'UPDATE 7'],
      ['DELETE FROM files f USING files g WHERE g.id = f.id + 20', 'DELETE 10'],
      [
        'MERGE INTO notes n USING (SELECT id FROM files) f ON f.id = n.id WHEN NOT MATCHED THEN INSERT VALUES (f.id)',
        'MERGE 30',
      ],
      ['INSERT INTO files (user_id, id) VALUES (1 + 1, 500), (length($$abc$$), 501)', 'INSERT 0 2'],
      [
        'WITH gone AS (DELETE FROM files WHERE id > 9 RETURNING id) INSERT INTO notes SELECT id FROM gone',
        'INSERT 0 20',
      ],
    ] as const) {
      await client.query('BEGIN');
      await client.rows(sql);
      const done = await state();
      await client.query('ROLLBACK');
      await client.query('BEGIN');
      expect((await lines(`EXPLAIN ANALYZE VERBOSE ${sql}`)).join('\n')).toContain(
        `  run: ${tag} in `,
      );
      expect(await state(), sql).toEqual(done);
      await client.query('ROLLBACK');
      await client.query('BEGIN');
      const { Steps } = await tree('ANALYZE, TIMING off, BUFFERS on', sql);
      expect(Steps!.at(-1)).toContain(`run: ${tag} in `);
      await client.query('ROLLBACK');
    }
    expect(await state()).toEqual(before);
    const measured = await tree('ANALYZE', 'INSERT INTO notes SELECT id + 100 FROM files');
    const rows = measured.Plans!.map((plan) => Number(Object(plan.Plans![0])['Actual Rows']));
    expect(rows.reduce((sum, count) => sum + count)).toBe(30);
    expect(await client.rows('SELECT count(*), min(id) FROM notes')).toEqual([['30', '100']]);
    const twice = await client.query(
      'EXPLAIN ANALYZE INSERT INTO notes SELECT id + 100 FROM files',
    );
    expect(errorCode(twice)).toBe('23505');
    await client.rows('DELETE FROM notes');
  });

  it('of a WITH that writes explains each of its parts, and does nothing', async () => {
    const gone = 'DELETE FROM files WHERE id > 9 RETURNING id';
    const shown = await lines(
      `EXPLAIN (COSTS OFF) WITH gone AS (${gone}) INSERT INTO notes SELECT id FROM gone`,
    );
    expect(shown.slice(0, 3)).toEqual([
      'Drive on shards 0, 1, 2',
      '  INSERT write on all shards',
      `  part 1: ${gone}`,
    ]);
    expect(shown.filter((line) => line.includes('Delete on files'))).toHaveLength(3);
    expect(shown.join('\n')).toMatch(/-> {2}Statement on shard 0\n +Insert on notes/);
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['30']]);
    expect(await client.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
  });

  it('of a WITH that writes by the key explains the whole as each shard runs it', async () => {
    const sql = `WITH gone AS (DELETE FROM files WHERE id > 9 RETURNING user_id, id)
      SELECT f.id FROM gone JOIN files f USING (user_id, id)`;
    const shown = await lines(`EXPLAIN (COSTS OFF) ${sql}`);
    expect(shown.slice(0, 3)).toEqual([
      'Drive on shards 0, 1, 2',
      '  SELECT write on all shards',
      '  merge: add counts',
    ]);
    expect(shown.filter((line) => line.includes('CTE gone'))).toHaveLength(3);
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['30']]);
    await client.query('BEGIN');
    const { Plans } = await tree('ANALYZE', sql);
    const rows = Plans!.map((plan) => Number(Object(plan.Plans![0])['Actual Rows']));
    expect(rows.reduce((sum, count) => sum + count)).toBe(20);
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['10']]);
    await client.query('ROLLBACK');
  });

  it('EXECUTE explains what the session has prepared, with its arguments', async () => {
    await client.rows(
      'PREPARE ids (bigint, int) AS SELECT id FROM files WHERE user_id = ANY (ARRAY[$1, 2]) AND id > $2',
    );
    await client.rows('PREPARE one (bigint) AS SELECT id FROM files WHERE user_id = $1');
    await client.rows("PREPARE change AS UPDATE files SET name = 'x'");
    const [first, ...rest] = await lines('EXPLAIN (COSTS OFF) EXECUTE ids(1, 7)');
    expect(first).toBe('Drive (class 1) on shards 1, 2');
    expect(rest.join('\n')).toContain('id > 7');
    expect((await lines('EXPLAIN EXECUTE one(4)'))[0]).toBe('Drive (class 0) on shard 1');
    expect(await tree('COSTS OFF', 'EXECUTE one(3)')).toMatchObject({ Shards: [0] });
    await client.query('BEGIN');
    expect((await lines('EXPLAIN (ANALYZE) EXECUTE change'))[0]).toBe('Drive on shards 0, 1, 2');
    expect(await client.rows("SELECT count(*) FROM files WHERE name = 'x'")).toEqual([['30']]);
    await client.query('ROLLBACK');
    expect(errorCode(await client.query('EXPLAIN EXECUTE nothing'))).toBe('26000');
    expect(errorCode(await client.query('EXPLAIN EXECUTE one'))).toBe('42601');
    client.send(say.run('EXPLAIN (COSTS OFF) EXECUTE one(5)'), say.sync);
    const answer = await client.until('Z');
    expect(letters(answer)).toMatch(/^12TD+CZ$/);
    expect(rowsOf(answer)[0]).toEqual(['Drive (class 0) on shard 2']);
    await client.rows('DEALLOCATE ALL');
  });

  it('of what is refused is refused', async () => {
    const refused = await client.query('EXPLAIN SELECT ctid, count(*) FROM files GROUP BY ctid');
    expect(errorCode(refused)).toBe('0A000');
    expect(errorCode(await client.query('EXPLAIN SELECT nothing FROM files'))).toBe('42703');
    expect(errorCode(await client.query('EXPLAIN (FORMAT SONG) SELECT 1 FROM files'))).toBe(
      '22023',
    );
  });

  it('leaves a session’s transaction and the pools in order', async () => {
    await client.query('BEGIN');
    await client.rows("UPDATE files SET name = 'mine' WHERE id = 3");
    const { Plans } = await tree(
      'ANALYZE',
      "SELECT count(DISTINCT id) FROM files WHERE name = 'mine'",
    );
    expect(Object(Plans!.at(-1)!.Plans![0])['Actual Rows']).toBe(1);
    await client.query('ROLLBACK');
    expect(await client.rows("SELECT count(*) FROM files WHERE name = 'mine'")).toEqual([['0']]);
  });
});
