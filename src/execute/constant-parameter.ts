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
  argument: ExecuteArgument,
  typeOid: number,
  index: number,
): Buffer | null {
  const { type, text } = argument;
  const isRead = keepsCast(argument, typeOid) && isReadAs(argument, typeOid);
  if (isRead) return type === 'null' ? null : Buffer.from(text);
  const cast = argument.cast === undefined ? '' : `::${typeName(argument.cast)}`;
  throw notSupported(
    `EXECUTE with ${text}${cast} for parameter $${index + 1} of type ${typeName(typeOid)}`,
    'Give the value as a string, in the form of that type.',
  );
}

/** Its cast is to the parameter's own type, or both are integers and it fits the cast. */
function keepsCast({ type, text, cast }: ExecuteArgument, typeOid: number): boolean {
  if (cast === undefined) return true;
  const bits = INTEGER_BITS.get(cast);
  if (bits === undefined || type === 'string') return cast === typeOid;
  if (type === 'null') return INTEGER_BITS.has(typeOid);
  const isInteger = /^-?\d+$/.test(text) && BigInt.asIntN(bits, BigInt(text)) === BigInt(text);
  return isInteger && INTEGER_BITS.has(typeOid);
}

const INTEGER_BITS: ReadonlyMap<number, number> = new Map([
  [TYPE.int2, 16],
  [TYPE.int4, 32],
  [TYPE.int8, 64],
]);

function isReadAs({ type, text }: ExecuteArgument, typeOid: number): boolean {
  return (
    type === 'string' ||
    type === 'null' ||
    // Digits alone that are too many for an integer are a decimal to the parser.
    (/^-?\d+$/.test(text) && INTEGERS.has(typeOid)) ||
    (type === 'decimal' && NUMBERS.has(typeOid)) ||
    (type === 'boolean' && typeOid === TYPE.bool)
  );
}
