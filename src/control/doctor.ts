// Doctor: compares what should be the same on every shard, and says what is not.

import type { ShardingRules } from './catalog.ts';
import { BEGIN_SQL, digestSql, KINDS_SQL, OBJECTS_SQL } from './doctor-query.ts';
import { strayedFindings } from './doctor-rows.ts';

export type AskShard = (shard: number, sql: string) => Promise<readonly (readonly string[])[]>;

export interface Finding {
  /** problem: something will fail or answer wrong. note: a difference that may be meant. */
  readonly level: 'problem' | 'note';
  readonly text: string;
  /** What makes it right without any loss; null where somebody has to decide. */
  readonly repair: { readonly shard: number; readonly sql: string } | null;
}

export interface ExamineOptions {
  readonly rules: ShardingRules;
  /** Looks through all rows of sharded tables for those that belong on another shard. */
  readonly rows?: boolean;
}

interface Thing {
  readonly definition: string;
  /** The table that it is a part of, or empty. */
  readonly partOf: string;
}

export interface Remembered {
  readonly kind: string;
  readonly key: string;
  readonly hasRows: boolean;
}

interface Inventory {
  /** `kind name` → definition. */
  readonly objects: ReadonlyMap<string, Thing>;
  readonly kinds: ReadonlyMap<string, Remembered>;
}

/** Rejects with the error of a shard that cannot be asked. The first shard is the home shard. */
export async function examine(
  shards: readonly number[],
  ask: AskShard,
  options: ExamineOptions,
): Promise<Finding[]> {
  for (const shard of shards) for (const sql of BEGIN_SQL) await ask(shard, sql);
  const inventories: Inventory[] = [];
  for (const shard of shards) inventories.push(await inventoryOf(shard, ask));
  const findings = [...settingFindings(inventories), ...objectFindings(inventories)];
  for (const [i, { objects }] of inventories.entries()) {
    for (const key of objects.keys()) {
      if (!key.startsWith('prepared ')) continue;
      const text = `shard ${i}: transaction ${key.slice(9)} has been prepared for over a minute`;
      findings.push({ level: 'problem', text, repair: null });
    }
  }
  const { kinds } = inventories[0]!;
  for (const [table, { kind, hasRows }] of kinds) {
    if (kind !== 'reference') continue;
    const isEverywhere = inventories.every((each) => each.objects.has(`table ${table}`));
    // A copy that is missing has been reported as such.
    if (isEverywhere && hasRows) findings.push(...(await copyFindings(table, shards, ask)));
  }
  if (options.rows === true) {
    findings.push(...(await strayedFindings(shards, ask, { rules: options.rules, kinds })));
  }
  for (const shard of shards) await ask(shard, 'COMMIT');
  return findings;
}

async function inventoryOf(shard: number, ask: AskShard): Promise<Inventory> {
  const rows = await ask(shard, OBJECTS_SQL);
  const objects = new Map(
    rows.map(([kind, name, definition, partOf]) => [
      `${kind} ${name}`,
      { definition: definition!.replace(/\s+/g, ' ').trim(), partOf: partOf! },
    ]),
  );
  const hasKinds = await ask(shard, `SELECT to_regclass('drive.tables') IS NOT NULL`);
  // As pg gives a boolean, or as text.
  const given = ['true', 't'].includes(hasKinds[0]![0]!) ? await ask(shard, KINDS_SQL) : [];
  const kinds = new Map<string, Remembered>();
  for (const [name, kind, key, relkind, hasRows] of given) {
    const definition = kind === 'sharded' ? `sharded by ${key}` : kind!;
    objects.set(`kind of ${name}`, { definition, partOf: name! });
    if (relkind === 'v') continue;
    kinds.set(name!, { kind: kind!, key: key!, hasRows: hasRows!.startsWith('t') });
  }
  return { objects, kinds };
}

function settingFindings(inventories: readonly Inventory[]): Finding[] {
  const findings: Finding[] = [];
  for (const key of keysOf(inventories, (each) => each.startsWith('setting '))) {
    const values = inventories.map(({ objects }) => objects.get(key)?.definition ?? 'nothing');
    const name = key.slice(8);
    if (name === 'max_prepared_transactions') {
      for (const [shard, value] of values.entries()) {
        if (value !== '0') continue;
        const text =
          `shard ${shard}: max_prepared_transactions is 0, so no transaction over several shards ` +
          'can commit; set it to max_connections and restart the server';
        findings.push({ level: 'problem', text, repair: null });
      }
    } else if (name === 'shard number') {
      for (const [shard, value] of values.entries()) {
        if (value === String(shard)) continue;
        const text =
          `shard ${shard} was installed as ${value === 'nothing' ? 'none' : `shard ${value}`}; ` +
          'give the shards in the order in which they were installed';
        findings.push({ level: 'problem', text, repair: null });
      }
    } else if (name === 'shard count') {
      for (const [shard, value] of values.entries()) {
        if (value === 'nothing' || value === String(values.length)) continue;
        const text = `shard ${shard} was installed as one of ${value} shards; give all of them`;
        findings.push({ level: 'problem', text, repair: null });
      }
    } else if (new Set(values).size > 1) {
      const level = STRICT_SETTINGS.has(name) ? 'problem' : 'note';
      findings.push({ level, text: `${name} differs: ${byShard(values)}`, repair: null });
    }
  }
  return findings;
}

/** Differences that make answers of several shards wrong. */
const STRICT_SETTINGS = new Set([
  'server_encoding',
  'standard_conforming_strings',
  'collation of the database',
  'drive functions',
]);

/** Differences that change no answer. */
const HARMLESS = /^(comment on|statistics object) /;

/** What shards have, those together that have the same: `shards 0, 2 have x, shard 1 has y`. */
function byShard(values: readonly string[]): string {
  const having = Map.groupBy(values.keys(), (shard) => values[shard]!);
  const shown = [...having.keys()].map(shortened(differingFrom([...having.keys()])));
  return [...having.values()]
    .map((shards, i) => {
      const who =
        shards.length === 1 ? `shard ${shards[0]} has` : `shards ${shards.join(', ')} have`;
      return `${who} ${shown[i] || 'none'}`;
    })
    .join(', ');
}

/** A definition may be a function's text: so much of it is shown, about the first difference. */
const SHOWN_CHARACTERS = 160;
const SHOWN_BEFORE = 40;

function differingFrom(values: readonly string[]): number {
  const [first = '', ...rest] = values;
  let at = 0;
  while (at < first.length && rest.every((each) => each[at] === first[at])) at += 1;
  return at;
}

const shortened =
  (differing: number) =>
  (value: string): string => {
    if (value.length <= SHOWN_CHARACTERS) return value;
    const from = Math.max(0, differing - SHOWN_BEFORE);
    const end = from + SHOWN_CHARACTERS;
    return `${from > 0 ? '…' : ''}${value.slice(from, end)}${end < value.length ? '…' : ''}`;
  };

function keysOf(inventories: readonly Inventory[], wanted: (key: string) => boolean): string[] {
  const keys = new Set(inventories.flatMap(({ objects }) => [...objects.keys()]));
  return [...keys].filter(wanted).sort();
}

const isObject = (key: string) => !key.startsWith('setting ') && !key.startsWith('prepared ');

function objectFindings(inventories: readonly Inventory[]): Finding[] {
  const findings: Finding[] = [];
  const [home] = inventories;
  for (const key of keysOf(inventories, isObject)) {
    const things = inventories.map(({ objects }) => objects.get(key) ?? null);
    const { partOf } = things.find((thing) => thing !== null)!;
    const values = things.map((thing) => thing?.definition ?? null);
    // What a shard has no table for it need not have; that the table is missing is said by itself.
    const missing = values.flatMap((value, shard) =>
      value === null && hasTable(inventories[shard]!, key, partOf) ? [shard] : [],
    );
    const isHomeOnly = values[0] !== null && values.every((value, i) => i === 0 || value === null);
    if (isHomeOnly && !isSpread(key, partOf, inventories)) continue;
    const level = HARMLESS.test(key) ? 'note' : 'problem';
    const present = values.filter((value) => value !== null);
    if (missing.length > 0) {
      findings.push(...missingFindings(key, { present, missing, level, inventories }));
    } else if (key.startsWith('sequence ')) {
      findings.push(...sequenceFindings(key, present, home!, partOf));
    } else if (new Set(present).size > 1) {
      // Those without the table are left out, but keep their numbers.
      const verb = key.startsWith('rights ') ? 'differ' : 'differs';
      const text = `${key} ${verb}: ${byShard(values.map((value) => value ?? 'nothing'))}`;
      findings.push({ level, text, repair: null });
    }
  }
  return findings;
}

const hasTable = ({ objects }: Inventory, key: string, partOf: string): boolean =>
  partOf === '' || key === `table ${partOf}` || objects.has(`table ${partOf}`);

/** An object of a table that is on more than one shard belongs on all of them. */
function isSpread(key: string, partOf: string, inventories: readonly Inventory[]): boolean {
  if (partOf === '') return false;
  if (key === `table ${partOf}`) {
    const kind = inventories[0]!.kinds.get(partOf)?.kind;
    return kind === 'sharded' || kind === 'reference';
  }
  return inventories.slice(1).some(({ objects }) => objects.has(`table ${partOf}`));
}

interface Missing {
  readonly present: readonly string[];
  readonly missing: readonly number[];
  readonly level: Finding['level'];
  readonly inventories: readonly Inventory[];
}

function missingFindings(key: string, { present, missing, level }: Missing): Finding[] {
  const agreed = new Set(present).size === 1 ? present[0]! : null;
  return missing.map((shard) => {
    const isIndex = key.startsWith('index ') && agreed !== null && !agreed.endsWith('INVALID');
    // A unique index could find duplicates, and a constraint's has to come with it.
    const isSafe = isIndex && agreed.startsWith('CREATE INDEX');
    return {
      level,
      text: `${key} is missing on shard ${shard}`,
      repair: isSafe ? { shard, sql: agreed } : null,
    };
  });
}

/** Ids are unique when all count in the same steps of 1024 from starts that differ within a step. */
function sequenceFindings(
  key: string,
  values: readonly string[],
  home: Inventory,
  owner: string,
): Finding[] {
  // Only the home shard evaluates what is inserted into a reference table.
  if (home.kinds.get(owner)?.kind === 'reference') return [];
  const pairs = values.map((value) => value.split(' ').map(BigInt));
  const steps = new Set(pairs.map(([step]) => step!));
  const [step] = steps;
  const starts = new Set(pairs.map(([, start]) => start! % step!));
  if (steps.size === 1 && step! % 1024n === 0n && starts.size === values.length) return [];
  const text = `${key} does not give each shard ids of its own (step and start): ${byShard(values)}`;
  return [{ level: 'problem', text, repair: null }];
}

async function copyFindings(
  table: string,
  shards: readonly number[],
  ask: AskShard,
): Promise<Finding[]> {
  const digests: string[] = [];
  const counts: string[] = [];
  for (const shard of shards) {
    const [row] = await ask(shard, digestSql(table));
    digests.push(row!.join(' '));
    counts.push(`shard ${shard} has ${row![0]!}`);
  }
  if (new Set(digests).size <= 1) return [];
  const text = `the copies of reference table ${table} differ; rows: ${counts.join(', ')}`;
  return [{ level: 'problem', text, repair: null }];
}
