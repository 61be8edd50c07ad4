// Filter text: a leaf's condition with the values of its parameters as literals.

import { quoteLiteral } from '../../base/quote.ts';
import type { EngineFilter } from '../../plan/engine-plan.ts';
import { TYPE } from '../../value/type-oid.ts';
import { type BoundParameters, formatAt } from '../parameters.ts';

/** Types that a literal of that name is read as, without a modifier's changing it. */
const NAMES: ReadonlyMap<number, string> = new Map(
  (
    [
      'bool',
      'int2',
      'int4',
      'int8',
      'float4',
      'float8',
      'numeric',
      'text',
      'varchar',
      'date',
      'timestamp',
      'timestamptz',
      'uuid',
    ] as const
  ).map((name) => [TYPE[name], name]),
);

/** null where a value is not written for sure: the engine then applies the condition alone. */
export function filterSql(filter: EngineFilter, parameters: BoundParameters): string | null {
  let sql = '';
  for (const [i, part] of filter.entries()) {
    const isTime = CAST_TO_TIME.test(String(filter[i + 1] ?? ''));
    const text = typeof part === 'string' ? part : literalOf(part, parameters, isTime);
    if (text === null) return null;
    sql += text;
  }
  return sql;
}

/** As the plan writes it behind a value. */
const CAST_TO_TIME = /^\)::pg_catalog\.(date|timestamp)/;

function literalOf(
  index: number,
  { values, formats, types }: BoundParameters,
  isTime: boolean,
): string | null {
  const name = NAMES.get(types[index] ?? 0);
  const value = values[index];
  if (name === undefined || value === undefined) return null;
  if (value === null) return `NULL::pg_catalog.${name}`;
  const isText = formatAt(formats, index) === 0;
  const text = isText ? asciiText(value) : binaryText(value, name);
  const isDated = isTime || (isText && DATED.has(name));
  if (text === null || (isDated && !/^\d/.test(text))) return null;
  return `${quoteLiteral(text)}::pg_catalog.${name}`;
}

/** Words among them, as today, mean another time on each server. */
const DATED = new Set(['date', 'timestamp', 'timestamptz']);

/** null: what other bytes mean, the client's encoding decides. */
const asciiText = (value: Buffer): string | null =>
  value.every((byte) => byte < 0x80) ? value.toString('latin1') : null;

function binaryText(value: Buffer, name: string): string | null {
  if (name === 'int2' && value.length === 2) return String(value.readInt16BE());
  if (name === 'int4' && value.length === 4) return String(value.readInt32BE());
  if (name === 'int8' && value.length === 8) return String(value.readBigInt64BE());
  return name === 'text' || name === 'varchar' ? asciiText(value) : null;
}
