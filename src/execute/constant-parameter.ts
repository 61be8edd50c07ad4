// Constant parameters: the arguments of SQL's EXECUTE as parameters of the protocol.

import { notSupported } from '../base/errors.ts';
import type { ExecuteArgument } from '../plan/action.ts';
import { TYPE, typeName } from '../value/type-oid.ts';

const NUMBERS: ReadonlySet<number> = new Set([TYPE.numeric, TYPE.float4, TYPE.float8, TYPE.text]);
const INTEGERS: ReadonlySet<number> = new Set([
  ...NUMBERS,
  TYPE.int2,
  TYPE.int4,
  TYPE.int8,
  TYPE.oid,
]);

/**
 * The argument in the text format of parameter `index`, 0-based. PostgreSQL casts it as on assignment: where that is
 * more than reading the text, the argument is refused with 0A000.
 */
export function constantParameter(
  { type, text }: ExecuteArgument,
  typeOid: number,
  index: number,
): Buffer | null {
  const reads =
    type === 'string' ||
    type === 'null' ||
    // Digits alone that are too many for an integer are a decimal to the parser.
    (/^-?\d+$/.test(text) && INTEGERS.has(typeOid)) ||
    (type === 'decimal' && NUMBERS.has(typeOid)) ||
    (type === 'boolean' && typeOid === TYPE.bool);
  if (reads) return type === 'null' ? null : Buffer.from(text);
  throw notSupported(
    `EXECUTE with ${text} for parameter $${index + 1} of type ${typeName(typeOid)}`,
    'Give the value as a string, in the form of that type.',
  );
}
