// Binary input: checks a client's parameter in binary format before anything reads it.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { decodeNumeric, encodeNumeric } from './numeric-binary.ts';
import { TYPE, typeName } from './type-oid.ts';

/** Length in bytes of the types of one length. */
const LENGTHS: ReadonlyMap<number, number> = new Map<number, number>([
  [TYPE.bool, 1],
  [TYPE.char, 1],
  [TYPE.int2, 2],
  [TYPE.int4, 4],
  [TYPE.int8, 8],
  [TYPE.oid, 4],
  [TYPE.float4, 4],
  [TYPE.float8, 8],
  [TYPE.money, 8],
  [TYPE.date, 4],
  [TYPE.time, 8],
  [TYPE.timestamp, 8],
  [TYPE.timestamptz, 8],
  [TYPE.interval, 16],
  [TYPE.uuid, 16],
]);

/** The value as a server would send it; the same bytes where they are that already. 22P03. */
export function checkedBinary(typeOid: number, value: Buffer): Buffer {
  const length = LENGTHS.get(typeOid);
  if (length !== undefined && value.length !== length) {
    throw new SqlError({
      code: SQLSTATE.invalidBinaryRepresentation,
      message: `incorrect binary data format for type ${typeName(typeOid)}`,
      detail: `The value has ${value.length} bytes, the type has ${length}.`,
    });
  }
  // Clients may send zero digits at either end, which comparison does not expect.
  return typeOid === TYPE.numeric ? encodeNumeric(decodeNumeric(value)) : value;
}
