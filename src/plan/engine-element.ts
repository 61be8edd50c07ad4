// Engine elements: the types whose values may be handed to the engine in arrays.

import { FIRST_USER_OID } from '../base/oid.ts';
import type { Column } from '../topology/table.ts';
import type { LeafElement } from './engine-plan.ts';

/**
 * Types whose arrays, in binary, lose nothing of a column but its modifier, which no operator looks
 * at. Source: src/include/catalog/pg_type.dat.
 */
const ELEMENTS: ReadonlyMap<number, string> = new Map([
  [16, 'bool'],
  [17, 'bytea'],
  [18, '"char"'],
  [19, 'name'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [26, 'oid'],
  [114, 'json'],
  [600, 'point'],
  [601, 'lseg'],
  [604, 'polygon'],
  [700, 'float4'],
  [701, 'float8'],
  [718, 'circle'],
  [790, 'money'],
  [829, 'macaddr'],
  [650, 'cidr'],
  [869, 'inet'],
  [1042, 'bpchar'],
  [1043, 'varchar'],
  [1082, 'date'],
  [1083, 'time'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1186, 'interval'],
  [1266, 'timetz'],
  [1560, 'bit'],
  [1562, 'varbit'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [3614, 'tsvector'],
  [3802, 'jsonb'],
  [3904, 'int4range'],
  [3906, 'numrange'],
  [3908, 'tsrange'],
  [3910, 'tstzrange'],
  [3912, 'daterange'],
  [3926, 'int8range'],
]);

/** Arrays, which have none of their own kind; as text they are the same under any setting. */
const ARRAYS: ReadonlyMap<number, string> = new Map([
  [1000, 'bool[]'],
  [1005, 'int2[]'],
  [1007, 'int4[]'],
  [1009, 'text[]'],
  [1015, 'varchar[]'],
  [1016, 'int8[]'],
  [1231, 'numeric[]'],
  [2951, 'uuid[]'],
]);

const TEXT_OID = 25;

/** null: the column's values are not carried so. */
export function elementOf({ typeOid, collation }: Column): LeafElement | null {
  if (collation !== null) return null;
  const type = ELEMENTS.get(typeOid);
  if (type !== undefined) return { type, typeOid, cast: null };
  const cast = ARRAYS.get(typeOid);
  return cast === undefined ? null : { type: 'text', typeOid: TEXT_OID, cast };
}

/**
 * Types, and their arrays, that PostgreSQL does not read in binary as it writes them: aclitem has no such
 * form, an empty tsquery, int2vector or oidvector is malformed to its function, and regclass and its kin are
 * numbers in it, which mean something else on another server. Source: src/include/catalog/pg_type.dat.
 */
const TEXT_ONLY: ReadonlySet<number> = new Set([
  ...[1033, 1034, 3615, 3645, 22, 30, 1006, 1013],
  ...[24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191],
  ...[1008, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192],
]);

/** Whether any server reads it: types made by users have other oids on each, which binary values hold. */
export const hasBinaryForm = ({ typeOid }: Column): boolean =>
  typeOid < FIRST_USER_OID && !TEXT_ONLY.has(typeOid);

/** Floats, times with a zone, and what is made of them: float4, float8, timestamptz, timetz, tstzrange. */
const UNSTEADY: ReadonlySet<number> = new Set([
  700, 701, 1021, 1022, 1184, 1185, 1266, 1270, 3910, 3911, 4534,
]);

/** Whether the text of a value may lose digits, or name a time zone in a way that means several. */
export const isUnsteady = ({ typeOid }: Column): boolean =>
  UNSTEADY.has(typeOid) || typeOid >= FIRST_USER_OID;
