// Renumber: a shard's oids in what it sends become the home shard's, and the other way round.

import { OID_NESTING_MAX } from '../base/limits.ts';
import { FIRST_USER_OID } from '../base/oid.ts';
import type { OidMapping } from '../topology/shard-oids.ts';
import type { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';

/** Of a result, the type of each column whose values name types, else 0; null: there is none. */
export type CarryingColumns = readonly number[] | null;

/** What a request remembers of the columns of the rows to come. */
export interface Renumbered {
  carrying: CarryingColumns;
}

/**
 * Rewrites the oids in the message that stands in `reader`, where it is. Nothing grows: an oid has
 * four bytes. A message that is not as the protocol has it stays as it is.
 */
export function renumber(mapping: OidMapping, reader: FrameReader, request: Renumbered): void {
  const { buffer, bodyStart, end } = reader;
  switch (reader.type) {
    case BACKEND.dataRow:
      if (request.carrying !== null) {
        renumberRow(new Values(mapping, 'home'), buffer, bodyStart, end, request.carrying);
      }
      break;
    case BACKEND.copyData:
      if (request.carrying !== null) {
        const start = bodyStart + copyHeaderBytes(buffer, bodyStart, end);
        renumberRow(new Values(mapping, 'home'), buffer, start, end, request.carrying);
      }
      break;
    case BACKEND.rowDescription:
      request.carrying = renumberColumns(mapping, buffer, bodyStart, end);
      break;
    case BACKEND.parameterDescription:
      for (let at = bodyStart + 2; at + 4 <= end; at += 4) replace(mapping.types, buffer, at);
      break;
    case BACKEND.commandComplete:
    case BACKEND.portalSuspended:
      request.carrying = null;
      break;
    default:
  }
}

/** Behind a column's name: its table, number, type, size, modifier and format. */
const COLUMN_BYTES = 18;

function renumberColumns(
  { tables, columns, types, carriers }: OidMapping,
  buffer: Buffer,
  start: number,
  end: number,
): CarryingColumns {
  let carrying: number[] | null = null;
  let at = start + 2;
  for (let column = 0; at < end; column++) {
    while (at < end && buffer[at] !== 0) at += 1;
    at += 1;
    if (at + COLUMN_BYTES > end) return null;
    const number = columns?.get(buffer.readUInt32BE(at))?.get(buffer.readUInt16BE(at + 4));
    if (number !== undefined) buffer.writeUInt16BE(number, at + 4);
    replace(tables, buffer, at);
    const type = replace(types, buffer, at + 6);
    if (buffer[at + 17] === 1 && carriers.has(type)) {
      carrying ??= new Array<number>(buffer.readUInt16BE(start)).fill(0);
      carrying[column] = type;
    }
    at += COLUMN_BYTES;
  }
  return carrying;
}

/** The oid at `at`, in the numbers of `map` from here on. */
function replace(map: ReadonlyMap<number, number>, buffer: Buffer, at: number): number {
  const oid = buffer.readUInt32BE(at);
  if (oid < FIRST_USER_OID) return oid;
  const other = map.get(oid);
  if (other === undefined) return oid;
  buffer.writeUInt32BE(other, at);
  return other;
}

/** COPY in binary: what stands before the first row. No row has as many fields as this says. */
const COPY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const COPY_HEADER_BYTES = 19;

function copyHeaderBytes(buffer: Buffer, start: number, end: number): number {
  const signatureEnd = Math.min(end, start + COPY_SIGNATURE.length);
  return COPY_SIGNATURE.equals(buffer.subarray(start, signatureEnd)) ? COPY_HEADER_BYTES : 0;
}

/** `types`: of the columns, in the home shard's numbers. */
export function carryingTypes({ carriers }: OidMapping, types: readonly number[]): CarryingColumns {
  if (!types.some((type) => carriers.has(type))) return null;
  return types.map((type) => (carriers.has(type) ? type : 0));
}

/** A row of COPY in binary, or a DataRow's body, in the numbers of where it goes. */
export function rowTo(
  to: 'home' | 'there',
  mapping: OidMapping,
  row: Buffer,
  carrying: readonly number[],
): Buffer {
  const copy = Buffer.from(row);
  renumberRow(new Values(mapping, to), copy, 0, copy.length, carrying);
  return copy;
}

/** A DataRow's body, or a row of COPY in binary: the same form. */
function renumberRow(
  values: Values,
  buffer: Buffer,
  start: number,
  end: number,
  carrying: readonly number[],
): void {
  let at = start + 2;
  for (const type of carrying) {
    if (at + 4 > end) return;
    const length = buffer.readInt32BE(at);
    at += 4;
    if (length <= 0) continue;
    if (length > end - at) return;
    if (type !== 0) values.visit(buffer, at, at + length, type, 0);
    at += length;
  }
}

/** A parameter in binary, of the home shard's type `type`, as the shard has it. */
export function valueThere(mapping: OidMapping, value: Buffer, type: number): Buffer {
  if (!mapping.carriers.has(type)) return value;
  const copy = Buffer.from(value);
  new Values(mapping, 'there').visit(copy, 0, copy.length, type, 0);
  return copy;
}

/**
 * Whether a value in binary can be one that names types the shard has other numbers for: its form
 * is that of an array or a composite. What else has this form is known only by its type.
 */
export function mayName({ typesThere, carriers }: OidMapping, value: Buffer): boolean {
  const names = (at: number): boolean => {
    if (at + 4 > value.length) return false;
    const oid = value.readUInt32BE(at);
    return typesThere.has(oid) || carriers.has(oid);
  };
  if (value.length < 12) return false;
  if (value.readUInt32BE(4) <= 1 && names(8)) return true;
  const fields = value.readUInt32BE(0);
  let at = 4;
  let found = false;
  for (let i = 0; i < fields; i++) {
    found ||= names(at);
    if (at + 8 > value.length) return false;
    at += 8 + Math.max(0, value.readInt32BE(at + 4));
  }
  return found && at === value.length;
}

/** Sources: array_send, record_send, range_send and multirange_send of PostgreSQL. */
class Values {
  #mapping: OidMapping;
  #to: 'home' | 'there';

  constructor(mapping: OidMapping, to: 'home' | 'there') {
    this.#mapping = mapping;
    this.#to = to;
  }

  /** Rewrites the value at [start, end), which is of the home shard's type `type`. */
  visit(buffer: Buffer, start: number, end: number, type: number, depth: number): void {
    const carrier = this.#mapping.carriers.get(type);
    if (carrier === undefined || depth > OID_NESTING_MAX) return;
    switch (carrier.kind) {
      case 'array':
        this.#array(buffer, start, end, depth + 1);
        break;
      case 'composite':
        this.#composite(buffer, start, end, depth + 1);
        break;
      case 'range':
        this.#elements(buffer, start + 1, end, carrier.of, depth + 1);
        break;
      case 'multirange':
        this.#ranges(buffer, start + 4, end, carrier.of, depth + 1);
    }
  }

  /** The type in the home shard's numbers; the value gets those of where it goes. */
  #type(buffer: Buffer, at: number): number {
    const { types, typesThere } = this.#mapping;
    if (this.#to === 'home') return replace(types, buffer, at);
    const type = buffer.readUInt32BE(at);
    replace(typesThere, buffer, at);
    return type;
  }

  #array(buffer: Buffer, start: number, end: number, depth: number): void {
    if (start + 12 > end) return;
    const dimensions = buffer.readUInt32BE(start);
    const type = this.#type(buffer, start + 8);
    this.#elements(buffer, start + 12 + 8 * dimensions, end, type, depth);
  }

  #composite(buffer: Buffer, start: number, end: number, depth: number): void {
    for (let at = start + 4; at + 8 <= end; ) {
      const type = this.#type(buffer, at);
      at = this.#element(buffer, at + 4, end, type, depth);
    }
  }

  #elements(buffer: Buffer, start: number, end: number, type: number, depth: number): void {
    if (!this.#mapping.carriers.has(type)) return;
    for (let at = start; at + 4 <= end; ) at = this.#element(buffer, at, end, type, depth);
  }

  #ranges(buffer: Buffer, start: number, end: number, of: number, depth: number): void {
    for (let at = start; at + 4 <= end; ) {
      const length = buffer.readInt32BE(at);
      if (length < 0 || length > end - at - 4) return;
      this.#elements(buffer, at + 5, at + 4 + length, of, depth);
      at += 4 + length;
    }
  }

  /** A length and so many bytes; gives where the next begins. */
  #element(buffer: Buffer, at: number, end: number, type: number, depth: number): number {
    const length = buffer.readInt32BE(at);
    const start = at + 4;
    if (length <= 0) return start;
    if (length > end - start) return end;
    this.visit(buffer, start, start + length, type, depth);
    return start + length;
  }
}
