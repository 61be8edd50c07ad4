// Transfers between users on different shards, and the books that tell whether they were atomic.

import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import type { BackendKey } from '../../src/wire/status.ts';
import type { Login } from './proxy.ts';
import { Random } from './random.ts';
import { errorCode, errorText, RawClient, type RawMessage, tagsOf } from './raw-client.ts';
import { connectAsText } from './text-client.ts';

export const ACCOUNTS = 600;
export const FIRST_BALANCE = 1_000;

/** One row per account, and one row per account that a transfer has touched. */
export const TRANSFER_TABLES = [
  'CREATE TABLE account (user_id int8 PRIMARY KEY, balance int8 NOT NULL)',
  `CREATE TABLE entry (user_id int8 NOT NULL, transfer int8 NOT NULL, amount int8 NOT NULL,
    made_by text NOT NULL DEFAULT current_user)`,
];

/** The outcome of COMMIT is unknown: the connection was lost, or the proxy has said so. */
const OUTCOME_UNKNOWN = '08007';
const ROW_BUSY = '500ms';

/** What the client knows of a transfer: the proxy's word. */
export interface Transfer {
  readonly id: number;
  /** How many accounts it touches. */
  readonly legs: number;
  readonly outcome: 'committed' | 'failed' | 'unknown';
  /** What it was told when it did not succeed. */
  readonly told?: string;
  /** An answer that is none of its statement. */
  readonly odd?: string;
}

/** As whom a client transfers: what it says when it has logged in, and behind each BEGIN. */
export interface Identity {
  readonly session: readonly string[];
  readonly block: readonly string[];
  /** So many of its COMMITs are cancelled, from 0 to 1, and may be done for all that. */
  readonly cancelled: number;
}

export const AS_LOGIN: Identity = { session: [], block: [], cancelled: 0 };

/**
 * A client that transfers until `over` through one of the proxies, goes on through any of them when it has
 * lost its own, and keeps `books`.
 */
export async function transferUntil(
  logins: readonly Login[],
  random: Random,
  nextId: () => number,
  books: Transfer[],
  over: () => boolean,
  identity = AS_LOGIN,
): Promise<void> {
  let client: RawClient | null = null;
  let login = logins[0]!;
  while (!over()) {
    if (client === null) login = random.pick(logins);
    client ??= await reconnected(login, identity);
    // Nobody listens while the proxy is being restarted.
    if (client === null) await sleep(20);
    else {
      const cancel = random.chance(identity.cancelled) ? () => cancelled(login, client!.key) : null;
      const made = await transfer(client, random, nextId(), identity, cancel);
      books.push(made);
      if (client.ended) client = null;
    }
  }
  await client?.close();
}

/** Makes the tables and the accounts through a proxy. */
export async function openAccounts(login: Login): Promise<void> {
  const client = await connectAsText(login);
  for (const table of TRANSFER_TABLES) await client.query(table);
  const accounts = `generate_series(1, ${ACCOUNTS}) AS n`;
  await client.query(`INSERT INTO account SELECT n, ${FIRST_BALANCE} FROM ${accounts}`);
  await client.end();
}

/** Runs `use` so many times while `writers` clients transfer; gives what they have in their books. */
export async function whileTransferring(
  login: Login,
  { writers, rounds }: { readonly writers: number; readonly rounds: number },
  use: () => Promise<void>,
): Promise<readonly Transfer[]> {
  let over = false;
  let id = 0;
  const books: Transfer[] = [];
  const random = new Random(1);
  const nextId = () => ++id;
  const all = Array.from({ length: writers }, () =>
    transferUntil([login], random, nextId, books, () => over),
  );
  try {
    for (let round = 0; round < rounds; round++) await use();
  } finally {
    over = true;
    await Promise.all(all);
  }
  return books;
}

async function reconnected(login: Login, { session }: Identity): Promise<RawClient | null> {
  // A row of a transaction that waits for recovery stays locked: others are not to wait for it.
  const parameters = { lock_timeout: ROW_BUSY };
  let client: RawClient | null = null;
  try {
    client = await RawClient.login(login, { parameters });
    for (const sql of session) await client.rows(sql);
    return client;
  } catch {
    client?.destroy();
    return null;
  }
}

async function cancelled(login: Login, { processId, secret }: BackendKey): Promise<void> {
  try {
    const client = await RawClient.open(login);
    client.send(encodeCancelRequest(processId, secret));
    await client.untilEnd();
    client.destroy();
  } catch {
    // The proxy is away, and the COMMIT with it.
  }
}

/** `cancel` is called when its COMMIT is under way. */
async function transfer(
  client: RawClient,
  random: Random,
  id: number,
  { block }: Identity,
  cancel: (() => void) | null,
): Promise<Transfer> {
  const legs = random.pick([2, 2, 3]);
  const first = random.int(1, ACCOUNTS - legs);
  const amount = random.int(1, 50);
  // Neighbours are on different shards; one pays, the others share.
  const amounts = [-amount * (legs - 1), ...Array.from({ length: legs - 1 }, () => amount)];
  const statements = amounts.flatMap((change, i) => [
    [`UPDATE account SET balance = balance + ${change} WHERE user_id = ${first + i}`, 'UPDATE 1'],
    [
      `INSERT INTO entry (user_id, transfer, amount) VALUES (${first + i}, ${id}, ${change})`,
      'INSERT 0 1',
    ],
  ]);
  const settings = block.map((sql) => [sql, 'SET']);
  let committing = false;
  try {
    for (const [sql, tag] of [['BEGIN', 'BEGIN'], ...settings, ...statements]) {
      const messages = await client.query(sql!);
      const answer = answerOf(messages);
      if (answer === tag) continue;
      const told = `${sql}: ${answer}`;
      const end = answerOf(await client.query('ROLLBACK'));
      const failed = { id, legs, outcome: 'failed', told } as const;
      if (errorCode(messages) === '') return { ...failed, odd: told };
      return end === 'ROLLBACK' ? failed : { ...failed, odd: `ROLLBACK: ${end}` };
    }
    committing = true;
    const committed = client.query('COMMIT');
    cancel?.();
    const messages = await committed;
    const answer = answerOf(messages);
    if (answer === 'COMMIT') return { id, legs, outcome: 'committed' };
    const code = errorCode(messages);
    const told = `COMMIT: ${answer}`;
    if (code === OUTCOME_UNKNOWN) return { id, legs, outcome: 'unknown', told };
    const failed = { id, legs, outcome: 'failed', told } as const;
    return code === '' && answer !== 'ROLLBACK' ? { ...failed, odd: told } : failed;
  } catch (error) {
    if (!client.ended) throw error;
    return { id, legs, outcome: committing ? 'unknown' : 'failed', told: String(error) };
  }
}

/** Its errors and command tags, in their order. */
const answerOf = (messages: readonly RawMessage[]): string =>
  messages.flatMap((message) => errorText([message]) || tagsOf([message])).join('; ');

/** Entries of all shards: how many legs of each transfer are there. */
export type Legs = ReadonlyMap<number, number>;

/** What the books and the shards do not agree on, in words; nothing when all is right. */
export function disagreements(books: readonly Transfer[], legsFound: Legs): string[] {
  return books.flatMap(({ id, legs, outcome, told, odd }) => {
    const found = legsFound.get(id) ?? 0;
    if (odd !== undefined) return [`transfer ${id}: not its answer, and ${found} legs (${odd})`];
    if (found !== 0 && found !== legs) return [`transfer ${id}: ${found} of ${legs} legs`];
    if (outcome === 'committed' && found === 0) return [`transfer ${id}: acknowledged, and lost`];
    if (outcome === 'failed' && found > 0) return [`transfer ${id}: refused, and there (${told})`];
    return [];
  });
}
