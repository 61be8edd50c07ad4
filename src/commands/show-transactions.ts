// SHOW TRANSACTIONS and PREPARED_TRANSACTIONS: what is open, and what is prepared on the shards.

import { query } from '../pool/query.ts';
import { NO_SETTINGS } from '../pool/settings.ts';
import { heldBy } from '../session/pool-knot.ts';
import type { OpenTransaction } from '../session/wait-graph.ts';
import { serverKey } from '../session/wait-graph.ts';
import { type Answer, type Command, columns, type Row, show } from './command.ts';
import type { Operations } from './operations.ts';
import { timeText } from './show-sockets.ts';

const TRANSACTIONS = columns(
  'client_id:int4 user database state kind begin_time begin_ms:int8 servers writers wait_ms:int8 ' +
    'worker:int4',
);

function transactionRows({ clients, nowMs, worker }: Operations): Row[] {
  return [...clients()].flatMap(({ identity, session }): Row[] => {
    const { transaction } = session.state;
    if (transaction === null) return [];
    const { writers } = transaction;
    const servers = [...heldBy(session.state)].map((server) =>
      serverKey(server.shard.id, server.identity.processId),
    );
    return [
      [
        ...[identity.id, identity.user, identity.database, transaction.state],
        transaction.implicit ? 'implicit' : 'block',
        timeText(new Date(transaction.begunMs)),
        transaction.begunMs,
        servers.join(','),
        [...writers].sort((a, b) => a - b).join(','),
        session.phase === 'ready' ? 0 : Math.round(nowMs() - session.sinceMs),
        worker,
      ],
    ];
  });
}

/** What SHOW TRANSACTIONS has answered. */
export function openTransactions({ table }: Answer): OpenTransaction[] {
  return (table?.rows ?? []).map((row) => ({
    client: Number(row[0]),
    begunMs: Number(row[6]),
    servers: String(row[7]).split(','),
  }));
}

/** Of this process alone. */
export async function ownTransactions(operations: Operations): Promise<OpenTransaction[]> {
  return openTransactions(await SHOW_TRANSACTIONS.run('', operations));
}

const PREPARED = columns('shard_id:int4 gid owner database prepared_time age_ms:int8 ours');

const PREPARED_SQL = `
  SELECT gid, owner, database, pg_catalog.to_char(prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
    (extract(epoch FROM pg_catalog.clock_timestamp() - prepared) * 1000)::pg_catalog.int8,
    CASE WHEN pg_catalog.starts_with(gid, 'drive_') THEN 'yes' ELSE 'no' END
  FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared`;

const PREPARED_COMMAND: Command = {
  name: 'SHOW PREPARED_TRANSACTIONS',
  usage: '',
  about: 'transactions prepared on the shards, which recovery finishes',
  role: 'reads',
  over: 'here',
  columns: PREPARED,
  async run(_, { pools }) {
    const rows: Row[] = [];
    const notices: string[] = [];
    for (const pool of pools) {
      const { shard } = pool;
      try {
        const connection = await pool.lease(NO_SETTINGS);
        try {
          const answer = await query(connection, PREPARED_SQL);
          rows.push(...answer.rows.map((row) => [shard.id, ...row]));
        } finally {
          pool.release(connection);
        }
      } catch (error) {
        notices.push(`shard ${shard.id}: ${error instanceof Error ? error.message : error}`);
      }
    }
    return { table: { columns: PREPARED, rows }, tag: 'SHOW', notices };
  },
};

export const SHOW_TRANSACTIONS = show(
  'TRANSACTIONS',
  'transactions that are open',
  'rows',
  TRANSACTIONS,
  transactionRows,
);

export const TRANSACTION_COMMANDS = [SHOW_TRANSACTIONS, PREPARED_COMMAND];
