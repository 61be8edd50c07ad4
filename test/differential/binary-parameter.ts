// Binary parameters: values of statements in PostgreSQL's binary format, where that is known here.

import type { Parameter } from './tree.ts';

const OIDS = { int4: 23, text: 25 } as const;

/** Where its type is not known so, as text; the driver sends a Buffer as binary. */
export function asBytes({ value, type }: Parameter): Buffer | string | null {
  if (value === null) return null;
  switch (type) {
    case 'int':
      return int4(Number(value));
    case 'small':
      return filled(2, (bytes) => bytes.writeInt16BE(Number(value)));
    case 'big':
      return filled(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)));
    case 'bool':
      return Buffer.from([value === 'true' ? 1 : 0]);
    case 'flt':
      return filled(8, (bytes) => bytes.writeDoubleBE(Number(value)));
    case 'real':
      return filled(4, (bytes) => bytes.writeFloatBE(Number(value)));
    case 'text':
    case 'json':
      return Buffer.from(value);
    case 'jsonb':
      return Buffer.from(`\u0001${value}`);
    case 'uuid':
      return Buffer.from(value.replaceAll('-', ''), 'hex');
    case 'bytea':
      return value.startsWith('\\x') ? Buffer.from(value.slice(2), 'hex') : value;
    case 'date':
      return daysOf(value) ?? value;
    case 'ints':
      return arrayOf(OIDS.int4, itemsOf(value), (item) => int4(Number(item)));
    case 'texts':
      return /["\\]/.test(value) ? value : arrayOf(OIDS.text, itemsOf(value), Buffer.from);
    default:
      return value;
  }
}

function filled(length: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length);
  write(bytes);
  return bytes;
}

const int4 = (value: number): Buffer => filled(4, (bytes) => bytes.writeInt32BE(value));

const DAY_MS = 86_400_000;

/** Since 2000-01-01; null: of another era. */
function daysOf(value: string): Buffer | null {
  if (value === 'infinity') return int4(0x7fff_ffff);
  if (value === '-infinity') return int4(-0x8000_0000);
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) return null;
  return int4((Date.parse(value) - Date.UTC(2000, 0, 1)) / DAY_MS);
}

/** Of an array literal without quotes, in one dimension. */
const itemsOf = (value: string): string[] => value.slice(1, -1).split(',').filter(Boolean);

function arrayOf(oid: number, items: readonly string[], encode: (item: string) => Buffer): Buffer {
  const head = [items.length === 0 ? 0 : 1, items.includes('NULL') ? 1 : 0, oid];
  const dimension = items.length === 0 ? [] : [items.length, 1];
  const one = (item: string): Buffer[] => {
    if (item === 'NULL') return [int4(-1)];
    const bytes = encode(item);
    return [int4(bytes.length), bytes];
  };
  return Buffer.concat([...[...head, ...dimension].map(int4), ...items.flatMap(one)]);
}
