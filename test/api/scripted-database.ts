// A database for the API's tests that answers from a script and remembers what it was asked.

import type { Connection, Database, Row, Sql, Values } from '../../src/api/database.ts';

/** One statement as it was sent: its text and its parameters. */
export interface Sent {
  readonly text: string;
  readonly values: Values;
}

/** Answers one statement; throws what the API is to see as the database's failure. */
export type Script = (sent: Sent) => readonly Row[] | Promise<readonly Row[]>;

/** `sent` holds every statement so far, `released` how each held connection was given back. */
export interface ScriptedDatabase extends Database {
  readonly sent: readonly Sent[];
  readonly released: readonly ('healthy' | 'broken')[];
}

/** BEGIN, COMMIT and ROLLBACK are answered by their own name unless the script throws. */
export function scriptedDatabase(script: Script): ScriptedDatabase {
  const sent: Sent[] = [];
  const released: ('healthy' | 'broken')[] = [];
  const rows = async (sql: Sql, values: Values = []): Promise<readonly Row[]> => {
    const statement = { text: sql.text, values };
    sent.push(statement);
    return script(statement);
  };
  const connection: Connection = {
    rows,
    copy: async (text, data) => {
      await rows({ text }, [data]);
    },
    command: async (text) => {
      await rows({ text });
      return text;
    },
    release: (broken) => {
      released.push(broken ? 'broken' : 'healthy');
    },
  };
  return { sent, released, rows, connect: async () => connection, close: async () => undefined };
}

/** What SHOW drive.shards answers with shards 0 … n-1, those in `down` down. */
export function shardRows(count: number, down: readonly number[] = []): Row[] {
  return Array.from({ length: count }, (_, id) => ({
    shard_id: id,
    database: `drive_shard_${id}`,
    host: 'localhost',
    port: 5432 + id,
    status: down.includes(id) ? 'down' : 'up',
    error: down.includes(id) ? `shard ${id} cannot be reached: connect ECONNREFUSED` : null,
  }));
}
