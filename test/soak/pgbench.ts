// A pgbench that transfers between users without end: started again whenever it has given up.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Login } from '../support/proxy.ts';
import type { Random } from '../support/random.ts';

/** The keys go up within a transaction, so that two of them never wait for each other. */
const SCRIPT = `
\\set a random(1, :accounts - 3)
\\set b :a + random(1, 3)
\\set amount random(1, 50)
BEGIN;
UPDATE account SET balance = balance - :amount WHERE user_id = :a;
UPDATE account SET balance = balance + :amount WHERE user_id = :b;
INSERT INTO entry (user_id, transfer, amount) VALUES (:a, 0, - :amount);
INSERT INTO entry (user_id, transfer, amount) VALUES (:b, 0, :amount);
COMMIT;
SELECT balance FROM account WHERE user_id = :a;
`;

/** One run; a client whose connection is cut gives up, the run ends when all have. */
const RUN_SECONDS = 3;
const MODES = ['simple', 'extended', 'prepared'] as const;

export const hasPgbench = spawnSync('pgbench', ['--version']).status === 0;

export interface PgbenchCrew {
  /** Resolves when it has ended, after `over` said so. */
  readonly done: Promise<void>;
  /** kill -9 of the run under way. */
  kill(): void;
  /** Transactions that finished runs have reported. */
  readonly transactions: number;
}

export function startPgbench(
  login: Login,
  accounts: number,
  directory: string,
  random: Random,
  over: () => boolean,
): PgbenchCrew {
  const script = join(directory, 'transfer.sql');
  writeFileSync(script, SCRIPT);
  let transactions = 0;
  let kill = (): void => undefined;
  const run = async (): Promise<void> => {
    while (!over()) {
      const args = [
        ...['-h', login.host, '-p', String(login.port), '-U', login.user, '-n'],
        ...['-c', '6', '-j', '1', '-T', String(RUN_SECONDS), '-M', random.pick(MODES)],
        ...['-D', `accounts=${accounts}`, '-f', script, login.database],
      ];
      const env = { ...process.env, PGPASSWORD: login.password, PGOPTIONS: '-c lock_timeout=500' };
      const child = spawn('pgbench', args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
      kill = () => child.kill('SIGKILL');
      let report = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        report += text;
      });
      // How it ends is no matter here: it is cut and killed on purpose. The books are what counts.
      await once(child, 'close');
      transactions += Number(/actually processed: (\d+)/.exec(report)?.[1] ?? 0);
    }
  };
  return {
    done: run(),
    kill: () => kill(),
    get transactions() {
      return transactions;
    },
  };
}
