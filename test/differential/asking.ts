// Asking: a generated statement sent in one of the ways in which clients send statements.

import type pg from 'pg';
import Cursor from 'pg-cursor';
import { copyLines } from '../support/copy-lines.ts';
import { asBytes } from './binary-parameter.ts';
import type { Rendered } from './tree.ts';

/** From `copy` to `made` they wrap the statement; it must be one query without parameters. */
export type Protocol =
  | 'simple'
  | 'extended'
  | 'binary'
  | 'portal'
  | 'execute'
  | 'twice'
  | 'copy'
  | 'cursor'
  | 'scroll'
  | 'held'
  | 'view'
  | 'made'
  | 'named';

/** Those that send literals apart from the text. */
export const TAKES_PARAMETERS: ReadonlySet<Protocol> = new Set([
  'extended',
  'binary',
  'portal',
  'execute',
  'named',
]);

/** What a statement has given, its values as the server sent them. */
export type Answered = Pick<pg.QueryArrayResult, 'fields' | 'rows' | 'command' | 'rowCount'>;

const RAW = {
  getTypeParser: () => (value: string | Buffer) =>
    Buffer.isBuffer(value) ? value.toString('hex') : value,
};

/** Rows that a portal gives at a time. */
const PORTAL_ROWS = 7;

/** A server that gives rows which it has kept heeds no timeout. */
const HELD_ROWS_MAX = 10_000;

/** Names made so far: each is of its own, for sides may share a database. */
let named = 0;

/** `within`: a transaction, which goes on. */
export async function send(
  client: pg.Client,
  rendered: Rendered,
  protocol: Protocol,
  within: boolean,
): Promise<Answered[]> {
  const { sql, parameters } = rendered;
  const base = { rowMode: 'array' as const, types: RAW };
  const run = async (text: string, config: object = {}) => {
    const answer = await client.query({ ...base, text, ...config } as pg.QueryArrayConfig);
    return (Array.isArray(answer) ? answer : [answer]) as pg.QueryArrayResult[];
  };
  named += 1;
  const name = `asked_${named}`;
  switch (protocol) {
    case 'simple':
      return run(sql);
    case 'extended':
      return run(sql, { values: parameters.map(({ value }) => value) });
    case 'binary':
      return run(sql, { values: parameters.map(asBytes), binary: true });
    case 'portal':
      return [await throughPortal(client, rendered)];
    case 'twice':
      return run(`${sql}\n; ${sql}`);
    case 'copy': {
      const lines = await copyLines(client, `COPY (${queryOf(sql)}) TO STDOUT`);
      return [{ fields: [], rows: lines.map((line) => [line]), command: 'COPY', rowCount: null }];
    }
    case 'execute':
      await run(`PREPARE ${name} AS ${sql}`);
      try {
        const values = parameters.map(({ value }) => quoted(value)).join(', ');
        return await run(`EXECUTE ${name}${values === '' ? '' : ` (${values})`}`);
      } finally {
        await run(`DEALLOCATE ${name}`).catch(() => undefined);
      }
    case 'held':
      try {
        // A server that is late says so of BEGIN, too, and has begun.
        if (!within) await run('BEGIN');
        await run(`DECLARE ${name} CURSOR WITH HOLD FOR ${queryOf(sql)}`);
        if (!within) await run('COMMIT');
        return [
          ...(await run(`FETCH 2 FROM ${name}`)),
          ...(await run(`FETCH ${HELD_ROWS_MAX} FROM ${name}`)),
        ];
      } finally {
        if (!within) await run('ROLLBACK');
        await run(`CLOSE ${name}`).catch(() => undefined);
      }
    case 'scroll':
    case 'cursor':
      try {
        if (!within) await run('BEGIN');
        const scroll = protocol === 'scroll' ? 'SCROLL ' : '';
        await run(`DECLARE ${name} ${scroll}CURSOR FOR ${queryOf(sql)}`);
        if (protocol === 'scroll') return await scrolled(run, name);
        return [...(await run(`FETCH 3 FROM ${name}`)), ...(await run(`FETCH ALL FROM ${name}`))];
      } finally {
        await (within ? run(`CLOSE ${name}`).catch(() => undefined) : run('ROLLBACK'));
      }
    case 'named':
      try {
        const asked = { name, values: parameters.map(({ value }) => value) };
        return [...(await run(sql, asked)), ...(await run(sql, asked))];
      } finally {
        // In a transaction that has failed it stays, which is no harm: its name is of its own.
        await run(`DEALLOCATE ${name}`).catch(() => undefined);
      }
    case 'made': {
      const made = await run(
        `CREATE ${named % 2 === 0 ? 'TEMP ' : ''}TABLE ${name} AS ${queryOf(sql)}`,
      );
      try {
        return [...made, ...(await run(`SELECT * FROM ${name}`))];
      } finally {
        const dropped = run(`DROP TABLE ${name}`);
        await (within ? dropped.catch(() => undefined) : dropped);
      }
    }
    case 'view':
      await run(`CREATE VIEW ${name} AS ${queryOf(sql)}`);
      try {
        return await run(`SELECT * FROM ${name}`);
      } finally {
        const dropped = run(`DROP VIEW ${name}`);
        // In a transaction that has failed it goes with what is taken back.
        await (within ? dropped.catch(() => undefined) : dropped);
      }
  }
}

/** To and fro. */
const MOVES = [
  '4',
  'BACKWARD 2',
  'ABSOLUTE 6',
  'PRIOR',
  'RELATIVE 0',
  'LAST',
  'ABSOLUTE -3',
  'ALL',
];
const ON_THE_WAY = ['MOVE BACKWARD ALL IN', 'FETCH 1 FROM', 'FETCH FIRST FROM'];

async function scrolled(
  run: (text: string) => Promise<pg.QueryArrayResult[]>,
  name: string,
): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const move of [...MOVES.map((each) => `FETCH ${each} FROM`), ...ON_THE_WAY])
    answers.push(...(await run(`${move} ${name}`)));
  return answers;
}

const quoted = (value: string | null) =>
  value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;

/** To be put into another statement. */
const queryOf = (sql: string) => `${sql.replace(/;$/, '')}\n`;

async function throughPortal(client: pg.Client, { sql, parameters }: Rendered): Promise<Answered> {
  const config = { rowMode: 'array' as const, types: RAW };
  const values = parameters.map(({ value }) => value);
  const cursor = client.query(new Cursor<unknown[]>(sql, values, config));
  const rows: unknown[][] = [];
  try {
    for (;;) {
      const some = await cursor.read(PORTAL_ROWS);
      rows.push(...some);
      if (some.length < PORTAL_ROWS) break;
    }
    const { _result: result } = cursor as unknown as { _result: pg.QueryArrayResult };
    return { fields: result.fields, rows, command: result.command, rowCount: result.rowCount };
  } finally {
    await cursor.close();
  }
}
