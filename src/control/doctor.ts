// Doctor: compares what should be the same on every shard, and says what is not.

import { digestSql, KINDS_SQL, OBJECTS_SQL } from './doctor-query.ts';

export type AskShard = (shard: number, sql: string) => Promise<readonly (readonly string[])[]>;

export interface Finding {
  /** problem: something will fail or answer wrong. note: a difference that may be meant. */
  readonly level: 'problem' | 'note';
  readonly text: string;
  /** What makes it right without any loss; null where somebody has to decide. */
  readonly repair: { readonly shard: number; readonly sql: string } | null;
}

interface Inventory {
  /** `kind name` → definition. */
  readonly objects: ReadonlyMap<string, string>;
  readonly kinds: ReadonlyMap<string, string>;
}

/** Rejects with the error of a shard that cannot be asked. The first shard is the home shard. */
export async function examine(shards: readonly number[], ask: AskShard): Promise<Finding[]> {
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
  for (const [table, kind] of inventories[0]!.kinds) {
    if (kind === 'reference') findings.push(...(await copyFindings(table, shards, ask)));
  }
  return findings;
}

async function inventoryOf(shard: number, ask: AskShard): Promise<Inventory> {
  const objects = await ask(shard, OBJECTS_SQL);
  const hasKinds = await ask(shard, `SELECT to_regclass('drive.tables') IS NOT NULL`);
  // As pg gives a boolean, or as text.
  const kinds = ['true', 't'].includes(hasKinds[0]![0]!) ? await ask(shard, KINDS_SQL) : [];
  return {
    objects: new Map(objects.map(([kind, name, definition]) => [`${kind} ${name}`, definition!])),
    kinds: new Map(
      kinds.flatMap(([name, kind, relkind]) => (relkind === 'v' ? [] : [[name!, kind!]])),
    ),
  };
}

function settingFindings(inventories: readonly Inventory[]): Finding[] {
  const findings: Finding[] = [];
  for (const key of keysOf(inventories, (each) => each.startsWith('setting '))) {
    const values = inventories.map(({ objects }) => objects.get(key) ?? 'nothing');
    const name = key.slice(8);
    if (name === 'max_prepared_transactions') {
      for (const [shard, value] of values.entries()) {
        if (value !== '0') continue;
        const text =
          `shard ${shard}: max_prepared_transactions is 0, so no transaction over several shards ` +
          'can commit; set it to max_connections and restart the server';
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

const byShard = (values: readonly string[]) =>
  values.map((value, shard) => `shard ${shard} has ${value || 'none'}`).join(', ');

function keysOf(inventories: readonly Inventory[], wanted: (key: string) => boolean): string[] {
  const keys = new Set(inventories.flatMap(({ objects }) => [...objects.keys()]));
  return [...keys].filter(wanted).sort();
}

const isObject = (key: string) => !key.startsWith('setting ') && !key.startsWith('prepared ');

function objectFindings(inventories: readonly Inventory[]): Finding[] {
  const findings: Finding[] = [];
  const [home] = inventories;
  for (const key of keysOf(inventories, isObject)) {
    const values = inventories.map(({ objects }) => objects.get(key) ?? null);
    const missing = values.flatMap((value, shard) => (value === null ? [shard] : []));
    const isHomeOnly = values[0] !== null && missing.length === values.length - 1;
    if (isHomeOnly && !isSpread(key, inventories)) continue;
    if (missing.length > 0) findings.push(...missingFindings(key, values, missing, inventories));
    else if (key.startsWith('sequence ')) findings.push(...sequenceFindings(key, values, home!));
    else if (new Set(values).size > 1) {
      const text = `${key} differs: ${byShard(values as string[])}`;
      findings.push({ level: 'problem', text, repair: null });
    }
  }
  return findings;
}

/** An object of a table that is on more than one shard belongs on all of them. */
function isSpread(key: string, inventories: readonly Inventory[]): boolean {
  const [kind = '', ...rest] = key.split(' ');
  const name = rest.join(' ');
  if (kind === 'table') {
    const remembered = inventories[0]!.kinds.get(name);
    return remembered === 'sharded' || remembered === 'reference';
  }
  const table =
    kind === 'index'
      ? tableOfIndex(inventories[0]!.objects.get(key) ?? '')
      : name.replace(/^order /, '').replace(/\.("([^"]|"")*"|[^."]*)$/, '');
  return inventories.slice(1).some(({ objects }) => objects.has(`table ${table}`));
}

const tableOfIndex = (definition: string): string =>
  / ON (?:ONLY )?((?:"(?:[^"]|"")*"|[^\s."]+)(?:\.(?:"(?:[^"]|"")*"|[^\s."]+))?) /.exec(
    definition,
  )?.[1] ?? '';

function missingFindings(
  key: string,
  values: readonly (string | null)[],
  missing: readonly number[],
  inventories: readonly Inventory[],
): Finding[] {
  const present = values.filter((value) => value !== null);
  const agreed = new Set(present).size === 1 ? present[0]! : null;
  return missing.map((shard) => {
    const isIndex = key.startsWith('index ') && agreed !== null && !agreed.endsWith('INVALID');
    const hasTable = isIndex && inventories[shard]!.objects.has(`table ${tableOfIndex(agreed)}`);
    // A unique index could find duplicates, and a constraint's has to come with it.
    const isSafe = hasTable && agreed.startsWith('CREATE INDEX');
    return {
      level: 'problem',
      text: `${key} is missing on shard ${shard}`,
      repair: isSafe ? { shard, sql: agreed } : null,
    };
  });
}

/** Ids are unique when all count in the same steps of 1024 from starts that differ within a step. */
function sequenceFindings(
  key: string,
  values: readonly (string | null)[],
  home: Inventory,
): Finding[] {
  const owner = values[0]!.split(' ').slice(2).join(' ');
  // Only the home shard evaluates what is inserted into a reference table.
  if (home.kinds.get(owner) === 'reference') return [];
  const pairs = values.map((value) => value!.split(' ').slice(0, 2).map(BigInt));
  const steps = new Set(pairs.map(([step]) => step!));
  const [step] = steps;
  const starts = new Set(pairs.map(([, start]) => start! % step!));
  if (steps.size === 1 && step! % 1024n === 0n && starts.size === values.length) return [];
  const text = `${key} does not give each shard ids of its own (step and start): ${byShard(values as string[])}`;
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
    const present = await ask(shard, `SELECT to_regclass('${table.replaceAll("'", "''")}')::text`);
    // A copy that is missing has been reported as such.
    if (present[0]![0] === '') return [];
    const [row] = await ask(shard, digestSql(table));
    digests.push(row!.join(' '));
    counts.push(row![0]!);
  }
  if (new Set(digests).size <= 1) return [];
  const text = `the copies of reference table ${table} differ; rows: ${byShard(counts)}`;
  return [{ level: 'problem', text, repair: null }];
}
