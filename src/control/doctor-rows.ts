// Doctor of rows: those of sharded tables that lie on another shard than that of their key.

import { quoteName } from '../base/quote.ts';
import { ruleOf, type ShardingRules } from './catalog.ts';
import type { AskShard, Finding, Remembered } from './doctor.ts';
import { HOLDERS_SQL, strayedSql } from './doctor-query.ts';

interface Known {
  readonly rules: ShardingRules;
  /** What drive.tables has, by quoted name. */
  readonly kinds: ReadonlyMap<string, Remembered>;
}

/** Reads every sharded table whole. */
export async function strayedFindings(
  shards: readonly number[],
  ask: AskShard,
  known: Known,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const shard of shards) {
    for (const [schema, name, named, columns] of await ask(shard, HOLDERS_SQL)) {
      const key = keyOf({ schema: schema!, name: name! }, named!, known);
      if (key === null || !(JSON.parse(columns!) as string[]).includes(key)) continue;
      const sql = strayedSql(named!, quoteName(key), shard, shards.length);
      const [row] = await ask(shard, sql);
      const [count, example] = row!;
      if (count === '0') continue;
      const rows = count === '1' ? '1 row' : `${count} rows`;
      const verb = count === '1' ? 'belongs' : 'belong';
      const such = example === '' ? 'without a key' : `${key} ${example}, for one`;
      const text = `table ${named} has ${rows} on shard ${shard} that ${verb} elsewhere: ${such}`;
      findings.push({ level: 'problem', text, repair: null });
    }
  }
  return findings;
}

/** As the catalog has it: the configuration, then what a statement has said, then the rule of the key column. */
function keyOf(
  table: { readonly schema: string; readonly name: string },
  named: string,
  { rules, kinds }: Known,
): string | null {
  const rule = ruleOf(table, rules) ?? kinds.get(named);
  if (rule === undefined) return rules.key;
  return rule.kind === 'sharded' ? rule.key || rules.key : null;
}
