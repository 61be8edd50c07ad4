// Search: asks generated statements of all sides, and makes small what is answered differently.

import { Random } from '../support/random.ts';
import { type Protocol, TAKES_PARAMETERS } from './asking.ts';
import type { Ground, Side } from './ground.ts';
import { type Judged, judge, type Keeping, type Question } from './oracle.ts';
import { orderOf } from './outer-order.ts';
import { QueryWriter } from './query.ts';
import {
  apart,
  type Node,
  type Parameter,
  render,
  returnedQueries,
  smaller,
  text,
  varied,
} from './tree.ts';
import { insertOf, makeWorld, type World, type WorldTable } from './world.ts';
import { writeStatement } from './write.ts';

export interface Found {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  readonly protocol: Protocol;
  readonly keeping: Keeping;
  readonly side: string;
  readonly reason: string;
  /** What makes the tables that the statement names, and their rows. */
  readonly tables: readonly string[];
  /** What has been written before, in the same transaction. */
  readonly after: readonly string[];
}

export interface Counted {
  readonly count: number;
  /** The shortest of them. */
  readonly example: string;
}

export interface Tally {
  asked: number;
  equal: number;
  /** Where PostgreSQL has several answers: the proxy's is one that it gave, or could be one. */
  given: number;
  possible: number;
  /** Statements that fail on PostgreSQL too, by SQLSTATE. */
  readonly errors: Map<string, Counted>;
  /** By the proxy's message. */
  readonly refused: Map<string, Counted>;
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

function count(map: Map<string, Counted>, key: string, sql: string): void {
  const { count: before, example } = map.get(key) ?? { count: 0, example: sql };
  map.set(key, { count: before + 1, example: sql.length < example.length ? sql : example });
}

export const newTally = (): Tally => ({
  asked: 0,
  equal: 0,
  given: 0,
  possible: 0,
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
  "SET TimeZone = '<+0330>-03:30'",
  "SET DateStyle = 'Postgres, MDY'",
  "SET IntervalStyle = 'sql_standard'",
  'SET extra_float_digits = 0',
  'SET transform_null_equals = on',
  'SET quote_all_identifiers = on',
  "SET lc_monetary = 'C'",
  "SET timezone_abbreviations = 'Australia'",
  'SET plan_cache_mode = force_generic_plan',
  'SET default_transaction_isolation = serializable',
  'SET jit_above_cost = 0',
  'SET enable_seqscan = off',
  'SET from_collapse_limit = 1',
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
  'copy',
  'cursor',
  'scroll',
  'held',
  'view',
  'made',
  'named',
] as const;

/** The view that groups its rows: which of several equal values stands for a group is open. */
const GROUPED = /\bcounted_/;

/** Two sides of one database would wait for each other. */
const LOCKS = /\bFOR (UPDATE|SHARE|NO KEY UPDATE|KEY SHARE)\b/;

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
  readonly #asked: string[] = [];
  readonly #written: string[] = [];

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
    const each = (sql: string) =>
      Promise.all(
        all.map(({ client, name }) =>
          client.query(sql).catch((error: Error) => {
            const asked = this.#asked.join('\n');
            throw new Error(`${name}: ${sql}: ${error.message}; after\n${asked}`, { cause: error });
          }),
        ),
      );
    const settings = random.chance(0.3) ? [random.pick(SETTINGS)] : [];
    for (const setting of settings) await each(setting);
    if (within)
      await each(random.pick(['BEGIN', 'BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ']));
    for (let i = 0; i < PER_TURN && this.#tally.found.length < FOUND_MAX; i++) {
      if (within && (writes || random.chance(0.35))) {
        if (!(await this.#write(sides))) break;
      } else
        await this.#read(
          random.chance(0.4) ? sides : sides.slice(0, 1),
          within ? 'undone' : 'alone',
        );
    }
    if (within) await each('ROLLBACK');
    for (const setting of settings) await each(`RESET ${setting.split(' ')[1]!}`);
    // No statement may leave a transaction behind.
    if (!within) await each('SELECT');
  }

  async #read(sides: readonly Side[], keeping: Keeping): Promise<void> {
    const random = this.#random;
    const tree = new QueryWriter(random, this.#world).statement();
    const picked = random.pick(PROTOCOLS);
    // Which rows a cursor passes twice is open without an order; none is held in what is undone.
    const isOpen = picked === 'scroll' && orderOf(render(tree, false).sql) === null;
    const protocol = isOpen || (picked === 'held' && keeping !== 'alone') ? 'cursor' : picked;
    const how = { parameters: TAKES_PARAMETERS.has(protocol), protocol, keeping };
    const asked = LOCKS.test(render(tree, false).sql) ? sides.slice(0, 1) : sides;
    await this.#ask(tree, asked, how);
    if (random.chance(0.3)) await this.#ask(varied(tree, random) as Node, asked, how);
  }

  /** False when the sides' tables may not be alike any more. */
  async #write(sides: readonly Side[]): Promise<boolean> {
    const random = this.#random;
    const { node, tables } = writeStatement(random, this.#world);
    const protocol = random.pick(['simple', 'extended', 'execute', 'binary', 'portal'] as const);
    const how = { parameters: protocol !== 'simple', protocol };
    if (!(await this.#ask(node, sides, { ...how, keeping: 'undone' }))) return true;
    if (GROUPED.test(render(node, false).sql)) return true;
    let isAlike = await this.#ask(node, sides, { ...how, keeping: 'kept' });
    for (const table of tables) {
      const asked = { parameters: false, protocol: 'simple', keeping: 'undone' } as const;
      isAlike &&= await this.#ask(contents(table), sides, asked);
    }
    return isAlike;
  }

  /** False when it is not answered, or not the same. */
  async #ask(tree: Node, sides: readonly Side[], how: How): Promise<boolean> {
    const tally = this.#tally;
    const question = questionOf(this.#world, tree, how);
    const judged = await judge(this.#ground, sides, question);
    if (judged.length === 0) return false;
    tally.asked += 1;
    const told = `${how.protocol}: ${question.rendered.sql}`;
    this.#asked.push(told);
    if (how.keeping === 'kept') this.#written.push(told);
    const [first] = judged;
    if (first!.error !== null) count(tally.errors, first!.error, told);
    for (const { verdict, reason } of judged) {
      if (verdict === 'refused') count(tally.refused, reason.replaceAll(/_\d+_\d+/g, ''), told);
      else if (verdict !== 'different') tally[verdict] += 1;
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
        : await shrink(this.#ground, this.#world, side, { tree, judged: wrong }, how);
    const { rendered } = questionOf(this.#world, small.tree, how);
    const { reason } = small.judged;
    const { protocol, keeping } = how;
    const tables = making(this.#world, tablesIn(this.#world, rendered.sql));
    const after = this.#written;
    const found = { ...rendered, protocol, keeping, side: side.name, reason, tables, after };
    this.#tally.found.push(found);
    console.log(found);
  }
}

interface How {
  readonly parameters: boolean;
  readonly protocol: Protocol;
  readonly keeping: Keeping;
}

/** The tables that a statement names, or a view that it names. */
function tablesIn({ tables, views, make }: World, sql: string): WorldTable[] {
  const definition = (name: string) =>
    make.find((each) => each.sql.startsWith(`CREATE VIEW ${name} `))!.sql;
  const all = views.reduceRight(
    (so, { name }) => (so.includes(name) ? `${so} ${definition(name)}` : so),
    sql,
  );
  return tables.filter(({ name }) => all.includes(name));
}

function making(world: World, tables: readonly WorldTable[]): string[] {
  const made = world.make.filter(({ sql }) => tables.some(({ name }) => sql.includes(name)));
  return [
    ...made.map(({ sql }) => sql),
    ...tables.map((table) => insertOf(table, 'as made') ?? `-- ${table.name} is empty`),
  ];
}

const contents = (table: WorldTable): Node => text(`SELECT * FROM ${table.name}`);

function questionOf(world: World, tree: Node, how: How): Question {
  const { parameters, protocol, keeping } = how;
  const rendered = render(tree, parameters);
  const tables = tablesIn(world, rendered.sql);
  const own = apart(tree).map((each) => render(each, parameters));
  const returned = returnedQueries(tree).map((each) => render(each, parameters));
  return { rendered, protocol, keeping, tables, apart: own, returned };
}

const SHRINK_TRIES = 600;
const SHRINK_MS = 60_000;

/** What differs: rows, columns, or that one fails. */
const kindOf = ({ reason }: Judged): string => /error \w+|^columns/.exec(reason)?.[0] ?? 'rows';

interface Different {
  readonly tree: Node;
  readonly judged: Judged;
}

/** The smallest statement found that is still answered differently there, in the same way. */
async function shrink(ground: Ground, world: World, side: Side, found: Different, how: How) {
  let { tree: best, judged } = found;
  const kind = kindOf(judged);
  const until = performance.now() + SHRINK_MS;
  let tries = 0;
  for (let improved = true; improved && tries < SHRINK_TRIES; ) {
    improved = false;
    for (const candidate of smaller(best)) {
      tries += 1;
      if (tries > SHRINK_TRIES || performance.now() > until) break;
      const [verdict] = await judge(ground, [side], questionOf(world, candidate, how));
      if (verdict?.verdict !== 'different' || kindOf(verdict) !== kind) continue;
      best = candidate;
      judged = verdict;
      improved = true;
      break;
    }
  }
  return { tree: best, judged };
}
