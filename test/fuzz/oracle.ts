// The oracle: a well-behaved client that knows what each answer must be and notices any other.

import type { Login } from '../support/proxy.ts';
import type { Random } from '../support/random.ts';
import { letters, RawClient, type RawMessage, rowsOf } from '../support/raw-client.ts';
import { lineOf, say } from '../support/transcript.ts';

/** Its rows have keys that nobody else writes: `base` and the ones after it. */
const KEYS = 5;

/** The table that oracles share; `tag` is whatever its owner last wrote. */
export const TAGGED_TABLE =
  'CREATE TABLE tagged (user_id int8 NOT NULL, id int NOT NULL, tag text, note text, PRIMARY KEY (user_id, id))';

type Question = () => Promise<void>;

/** Every answer carries a tag that the oracle has just made up: bytes of anybody else show. */
export class Oracle {
  answers = 0;
  readonly #client: RawClient;
  readonly #base: number;
  readonly #random: Random;
  readonly #tags = new Map<number, string>();
  #counter = 0;

  private constructor(client: RawClient, base: number, random: Random) {
    this.#client = client;
    this.#base = base;
    this.#random = random;
  }

  /** Logs in and writes its first rows; each oracle of a table has an `index` of its own, above 0. */
  static async start(login: Login, index: number, random: Random): Promise<Oracle> {
    const oracle = new Oracle(await RawClient.login(login), 1_000_000 * index, random);
    for (let i = 0; i < KEYS; i++) {
      const key = oracle.#base + i;
      const tag = oracle.#newTag();
      const sql = `INSERT INTO tagged VALUES (${key}, 1, '${tag}')`;
      oracle.#expect(await oracle.#client.query(sql), 'CZ', []);
      oracle.#tags.set(key, tag);
    }
    return oracle;
  }

  /** Asks until `over`. Rejects at the first wrong, missing or foreign answer. */
  async ask(over: () => boolean): Promise<void> {
    const questions: readonly Question[] = [
      () => this.#echo(),
      () => this.#pipelined(),
      () => this.#read(),
      () => this.#scattered(),
      () => this.#update(),
      () => this.#transaction(),
      () => this.#twoShards(),
      () => this.#copyOut(),
      () => this.#mistake(),
    ];
    while (!over()) {
      await this.#random.pick(questions)();
      this.answers += 1;
      if (this.#client.pending.length > 0) {
        throw new Error(`unasked: ${this.#client.pending.map(lineOf).join('\n')}`);
      }
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #newTag(): string {
    this.#counter += 1;
    return `tag-${this.#base}-${this.#counter}-${this.#random.int(0, 0xffffff)}`;
  }

  #key(): number {
    return this.#base + this.#random.int(0, KEYS - 1);
  }

  /** Throws unless the messages have these letters and rows. */
  #expect(
    messages: readonly RawMessage[],
    types: string,
    rows: readonly (string | null)[][],
  ): void {
    const [got, wanted] = [JSON.stringify(rowsOf(messages)), JSON.stringify(rows)];
    if (letters(messages) === types && got === wanted) return;
    const lines = messages.slice(0, 20).map(lineOf).join('\n');
    throw new Error(`the oracle wanted ${types} ${wanted.slice(0, 500)} and got\n${lines}`);
  }

  async #echo(): Promise<void> {
    const tag = this.#newTag();
    this.#expect(await this.#client.query(`SELECT '${tag}'`), 'TDCZ', [[tag]]);
  }

  async #pipelined(): Promise<void> {
    const depth = this.#random.int(1, 6);
    const tags = Array.from({ length: depth }, () => this.#newTag());
    const sql = 'SELECT tag, $2::text FROM tagged WHERE user_id = $1';
    const keys = tags.map(() => this.#key());
    for (const [i, key] of keys.entries()) {
      this.#client.send(say.parse(sql), say.bind([String(key), tags[i]!]), say.execute(), say.sync);
    }
    for (const [i, key] of keys.entries()) {
      const messages = await this.#client.untilReady();
      this.#expect(messages, '12DCZ', [[this.#tags.get(key)!, tags[i]!]]);
    }
  }

  async #read(): Promise<void> {
    const key = this.#key();
    const sql = `SELECT user_id, tag FROM tagged WHERE user_id = ${key}`;
    this.#expect(await this.#client.query(sql), 'TDCZ', [[String(key), this.#tags.get(key)!]]);
  }

  async #scattered(): Promise<void> {
    const [least, most] = [this.#base, this.#base + KEYS - 1];
    const tag = this.#newTag();
    const sql =
      `SELECT user_id, tag, '${tag}' FROM tagged WHERE user_id BETWEEN ${least} AND ${most} ` +
      'ORDER BY user_id DESC';
    const rows = [...this.#tags].sort(([a], [b]) => b - a);
    this.#expect(
      await this.#client.query(sql),
      `T${'D'.repeat(KEYS)}CZ`,
      rows.map(([key, value]) => [String(key), value, tag]),
    );
  }

  async #update(): Promise<void> {
    const [key, tag] = [this.#key(), this.#newTag()];
    const sql = `UPDATE tagged SET tag = '${tag}' WHERE user_id = ${key} RETURNING tag`;
    this.#expect(await this.#client.query(sql), 'TDCZ', [[tag]]);
    this.#tags.set(key, tag);
  }

  async #transaction(): Promise<void> {
    const [key, tag] = [this.#key(), this.#newTag()];
    const commits = this.#random.chance(0.5);
    this.#expect(await this.#client.query('BEGIN'), 'CZ', []);
    const sql = `UPDATE tagged SET tag = '${tag}' WHERE user_id = ${key}`;
    this.#expect(await this.#client.query(sql), 'CZ', []);
    const read = `SELECT tag FROM tagged WHERE user_id = ${key}`;
    this.#expect(await this.#client.query(read), 'TDCZ', [[tag]]);
    this.#expect(await this.#client.query(commits ? 'COMMIT' : 'ROLLBACK'), 'CZ', []);
    if (commits) this.#tags.set(key, tag);
  }

  /** One statement on two shards: two-phase commit. */
  async #twoShards(): Promise<void> {
    const tag = this.#newTag();
    const keys = [this.#base, this.#base + 1];
    const sql = `UPDATE tagged SET tag = '${tag}' WHERE user_id IN (${keys.join(', ')})`;
    this.#expect(await this.#client.query(sql), 'CZ', []);
    for (const key of keys) this.#tags.set(key, tag);
  }

  async #copyOut(): Promise<void> {
    const key = this.#key();
    const sql = `COPY (SELECT tag FROM tagged WHERE user_id = ${key}) TO STDOUT`;
    const messages = await this.#client.query(sql);
    const text = messages.find((message) => message.type === 'd')?.body.toString();
    this.#expect(messages, 'HdcCZ', []);
    if (text !== `${this.#tags.get(key)}\n`) throw new Error(`COPY gave ${text}`);
  }

  async #mistake(): Promise<void> {
    const tag = this.#newTag();
    const messages = await this.#client.query(`SELECT "${tag}" FROM tagged WHERE user_id = 1`);
    this.#expect(messages, 'EZ', []);
    const line = lineOf(messages[0]!);
    if (!line.includes('C=42703') || !line.includes(tag)) throw new Error(`an error of: ${line}`);
  }
}
