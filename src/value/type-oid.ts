// Type oids: the built-in types whose values the proxy can compare, combine or read.

/** PostgreSQL's fixed oids (source: src/include/catalog/pg_type.dat). */
export const TYPE = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  float4: 700,
  float8: 701,
  unknown: 705,
  money: 790,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  timetz: 1266,
  interval: 1186,
  numeric: 1700,
  uuid: 2950,
} as const;

/** Names as format_type() gives them, for messages. */
const NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [TYPE.bool, 'boolean'],
  [TYPE.bytea, 'bytea'],
  [TYPE.char, '"char"'],
  [TYPE.name, 'name'],
  [TYPE.int8, 'bigint'],
  [TYPE.int2, 'smallint'],
  [TYPE.int4, 'integer'],
  [TYPE.text, 'text'],
  [TYPE.oid, 'oid'],
  [TYPE.float4, 'real'],
  [TYPE.float8, 'double precision'],
  [TYPE.unknown, 'unknown'],
  [TYPE.money, 'money'],
  [TYPE.bpchar, 'character'],
  [TYPE.varchar, 'character varying'],
  [TYPE.date, 'date'],
  [TYPE.time, 'time without time zone'],
  [TYPE.timestamp, 'timestamp without time zone'],
  [TYPE.timestamptz, 'timestamp with time zone'],
  [TYPE.interval, 'interval'],
  [TYPE.numeric, 'numeric'],
  [TYPE.uuid, 'uuid'],
  [114, 'json'],
  [142, 'xml'],
  [600, 'point'],
  [650, 'cidr'],
  [774, 'macaddr8'],
  [829, 'macaddr'],
  [869, 'inet'],
  [1005, 'smallint[]'],
  [1007, 'integer[]'],
  [1009, 'text[]'],
  [1016, 'bigint[]'],
  [TYPE.timetz, 'time with time zone'],
  [1560, 'bit'],
  [1562, 'bit varying'],
  [2249, 'record'],
  [3802, 'jsonb'],
]);

/** A type's name for messages; types the proxy does not know are named by their oid. */
export function typeName(typeOid: number): string {
  return NAMES.get(typeOid) ?? `with oid ${typeOid}`;
}

/** The oid of a built-in type by the name the parser gives it (`int8` for bigint); null if unknown. */
export function typeOidOf(name: string): number | null {
  if (Object.hasOwn(TYPE, name)) return TYPE[name as keyof typeof TYPE];
  for (const [oid, known] of NAMES) if (known === name) return oid;
  return null;
}
