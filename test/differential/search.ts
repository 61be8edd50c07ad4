// Search: asks generated statements of all sides, and makes small what is answered differently.

import { Random } from '../support/random.ts';
import type { Ground, Side } from './ground.ts';
import { type Judged, judge, type Keeping, type Protocol, type Question } from './oracle.ts';
import { QueryWriter } from './query.ts';
import { type Node, render, smaller, text, varied } from './tree.ts';
import { insertOf, makeWorld, type World, type WorldTable } from './world.ts';
import { writeStatement } from './write.ts';

export interface Found {
  readonly sql: string;
  readonly parameters: readonly (string | null)[];
  readonly protocol: Protocol;
  readonly keeping: Keeping;
  readonly side: string;
  readonly reason: string;
  /** What makes the tables that the statement names, and their rows. */
  readonly tables: readonly string[];
}

export interface Tally {
  asked: number;
  equal: number;
  ambiguous: number;
  /** Statements that fail on PostgreSQL too, by SQLSTATE. */
  readonly errors: Map<string, number>;
  /** By the proxy's message. */
  readonly refused: Map<string, number>;
  readonly found: Found[];
}

export interface SearchOptions {
  readonly seed: number;
  readonly statements: number;
  /** Only statements that write, in transactions. */
  readonly writes?: boolean;
  /** By performance.now(): no new world is begun after it. */
  readonly until?: number;
}

const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);

export const newTally = (): Tally => ({
  asked: 0,
  equal: 0,
  ambiguous: 0,
  errors: new Map(),
  refused: new Map(),
  found: [],
});

const SETTINGS = [
  "SET TimeZone = 'America/New_York'",
  "SET TimeZone = 'Asia/Kathmandu'",
  "SET DateStyle = 'SQL, DMY'",
  "SET DateStyle = 'German'",
  "SET IntervalStyle = 'iso_8601'",
  "SET IntervalStyle = 'postgres_verbose'",
  'SET extra_float_digits = -3',
  'SET bytea_output = escape',
  'SET search_path = pg_catalog, public',
  'SET enable_hashagg = off',
  'SET default_transaction_read_only = on',
];

const PROTOCOLS = [
  'simple',
  'simple',
  'simple',
  'extended',
  'extended',
  'binary',
  'portal',
  'execute',
  'twice',
] as const;

/** Statements of one kind, asked one after the other. */
const PER_TURN = 12;

/** Statements for each world of tables. */
const PER_WORLD = 500;
/** Enough to look at; each takes a while to be made small. */
const FOUND_MAX = 10;

export async function search(ground: Ground, options: SearchOptions, tally: Tally): Promise<void> {
  const { seed, statements, writes = false, until = Infinity } = options;
  const random = new Random(seed);
  const isDone = () => tally.asked >= statements || tally.found.length >= FOUND_MAX;
  for (let number = 0; !isDone() && performance.now() < until; number++) {
    const world = makeWorld(random.fork(), `${seed}_${number}`);
    await ground.settle(world);
    const end = Math.min(statements, tally.asked + PER_WORLD);
    while (tally.asked < end && !isDone())
      await new Turn(ground, world, random.fork(), tally).run(writes);
    await ground.clear(world);
  }
}

class Turn {
  readonly #ground: Ground;
  readonly #world: World;
  readonly #random: Random;
  readonly #tally: Tally;

  constructor(ground: Ground, world: World, random: Random, tally: Tally) {
    this.#ground = ground;
    this.#world = world;
    this.#random = random;
    this.#tally = tally;
  }

  async run(writes: boolean): Promise<void> {
    const random = this.#random;
    const counts = [...this.#ground.proxies.keys()];
    const shards = random.pick(counts.length > 2 ? [...counts, ...counts.slice(1, 3)] : counts);
    const { proxy, engine } = this.#ground.proxies.get(shards)!;
    const within = writes || random.chance(0.3);
    // Two transactions that write the same rows would wait for each other.
    const sides = within ? [random.chance(0.7) ? proxy : engine] : [proxy, engine];
    const all = [this.#ground.plain, ...this.#ground.witnesses, ...sides];
    const each = (sql: string) => Promise.all(all.map(({ client }) => client.query(sql)));
    const settings = random.chance(0.3) ? [random.pick(SETTINGS)] : [];
    for (const setting of settings) await each(setting);
    if (within)
      await each(random.pick(['BEGIN', 'BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ']));
    for (let i = 0; i < PER_TURN && this.#tally.found.length < FOUND_MAX; i++) {
      if (within && (writes || random.chance(0.35))) await this.#write(sides);
      else
        await this.#read(
          random.chance(0.4) ? sides : sides.slice(0, 1),
          within ? 'undone' : 'alone',
        );
    }
    if (within) await each('ROLLBACK');
    for (const setting of settings) await each(`RESET ${setting.split(' ')[1]!}`);
  }

  async #read(sides: readonly Side[], keeping: Keeping): Promise<void> {
    const random = this.#random;
    const tree = new QueryWriter(random, this.#world).statement();
    const protocol = random.pick(PROTOCOLS);
    const parameters = protocol !== 'simple' && protocol !== 'twice';
    await this.#ask(tree, sides, { parameters, protocol, keeping });
    if (random.chance(0.3))
      await this.#ask(varied(tree, random) as Node, sides, { parameters, protocol, keeping });
  }

  async #write(sides: readonly Side[]): Promise<void> {
    const random = this.#random;
    const { node, table } = writeStatement(random, this.#world);
    const protocol = random.pick(['simple', 'extended', 'execute', 'binary'] as const);
    const how = { parameters: protocol !== 'simple', protocol };
    if (!(await this.#ask(node, sides, { ...how, keeping: 'undone' }))) return;
    await this.#ask(node, sides, { ...how, keeping: 'kept' });
    await this.#ask(contents(table), sides, {
      parameters: false,
      protocol: 'simple',
      keeping: 'undone',
    });
  }

  /** False when it is not answered, or not the same. */
  async #ask(tree: Node, sides: readonly Side[], how: How): Promise<boolean> {
    const tally = this.#tally;
    const question = questionOf(tree, how);
    const judged = await judge(this.#ground, sides, question);
    if (judged.length === 0) return false;
    tally.asked += 1;
    const [first] = judged;
    if (first!.error !== null) count(tally.errors, first!.error);
    for (const { verdict, reason } of judged) {
      if (verdict === 'equal') tally.equal += 1;
      else if (verdict === 'ambiguous') tally.ambiguous += 1;
      else if (verdict === 'refused') count(tally.refused, reason);
    }
    const wrong = judged.find(({ verdict }) => verdict === 'different');
    if (wrong === undefined)
      return judged.every(({ verdict, error }) => verdict === 'equal' && error === null);
    await this.#report(tree, sides.find(({ name }) => name === wrong.side)!, wrong, how);
    return false;
  }

  async #report(tree: Node, side: Side, wrong: Judged, how: How): Promise<void> {
    const small =
      how.keeping === 'kept'
        ? { tree, judged: wrong }
        : await shrink(this.#ground, side, tree, how);
    const { rendered } = questionOf(small.tree, how);
    const { reason } = small.judged;
    const { protocol, keeping } = how;
    const tables = tablesOf(this.#world, rendered.sql);
    this.#tally.found.push({ ...rendered, protocol, keeping, side: side.name, reason, tables });
  }
}

interface How {
  readonly parameters: boolean;
  readonly protocol: Protocol;
  readonly keeping: Keeping;
}

const tablesOf = ({ tables, make }: World, sql: string): string[] =>
  tables
    .filter(({ name }) => sql.includes(name))
    .flatMap((table) => [
      ...make.filter((each) => each.sql.includes(table.name)).map((each) => each.sql),
      insertOf(table, 'as made') ?? `-- ${table.name} is empty`,
    ]);

const contents = (table: WorldTable): Node => text(`SELECT * FROM ${table.name}`);

function questionOf(tree: Node, { parameters, protocol, keeping }: How): Question {
  return { rendered: render(tree, parameters), protocol, keeping };
}

const SHRINK_TRIES = 600;

/** The smallest statement found that is still answered differently there. */
async function shrink(ground: Ground, side: Side, tree: Node, how: How) {
  let best = tree;
  let judged: Judged = (await judge(ground, [side], questionOf(tree, how)))[0]!;
  let tries = 0;
  for (let improved = true; improved && tries < SHRINK_TRIES; ) {
    improved = false;
    for (const candidate of smaller(best)) {
      tries += 1;
      if (tries > SHRINK_TRIES) break;
      const [verdict] = await judge(ground, [side], questionOf(candidate, how));
      if (verdict?.verdict !== 'different') continue;
      best = candidate;
      judged = verdict;
      improved = true;
      break;
    }
  }
  return { tree: best, judged };
}
