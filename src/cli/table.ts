// `drive table`: which kind the cluster's tables have, and a table of another kind.

import type { QueryResult } from '../base/pg.ts';
import { type OnProxyOptions, onProxy } from './on-proxy.ts';

export interface TableOptions extends OnProxyOptions {
  /** The column that a sharded table is to be sharded by. */
  readonly key?: string;
}

export const TABLE_KINDS = ['home', 'reference', 'sharded'] as const;

export type TableKind = (typeof TABLE_KINDS)[number];

/**
 * Without `kind` it prints the tables of that name, or all; with one the table becomes of that kind, its
 * rows with it. Exit code 1 where the proxy refuses it, or there is no such table.
 */
export function table(
  name: string | undefined,
  kind: TableKind | undefined,
  options: TableOptions,
): Promise<number> {
  return onProxy('drive table', options, async (client) => {
    if (name !== undefined && kind !== undefined) {
      await client.query(changeSql(name, kind, options.key));
    }
    const { rows }: QueryResult<string[]> = await client.query({
      text: 'SHOW drive.tables',
      rowMode: 'array',
    });
    const shown = rows.filter(
      ([schema, own]) => name === undefined || isNamed(name, schema!, own!),
    );
    for (const [schema, own, is, key] of shown) {
      const by = key === null ? '' : ` by ${key}`;
      process.stdout.write(`${schema}.${own}: ${is}${by}\n`);
    }
    if (shown.length > 0 || name === undefined) return 0;
    process.stderr.write(`drive: there is no table ${name}\n`);
    return 1;
  });
}

const isNamed = (given: string, schema: string, name: string): boolean =>
  given === name || given === `${schema}.${name}`;

/** A sharded table's key is that of the configuration unless one is given. */
function changeSql(name: string, kind: TableKind, key: string | undefined): string {
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
  if (kind === 'home') return `SELECT undistribute_table(${literal(name)})`;
  if (kind === 'reference') return `SELECT create_reference_table(${literal(name)})`;
  const by = key === undefined ? '' : `, ${literal(key)}`;
  return `SELECT create_distributed_table(${literal(name)}${by})`;
}
