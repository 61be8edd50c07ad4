// Scripts of function calls and large objects, by SQL and by the protocol's own FunctionCall.

import { rawMessage } from '../support/raw-client.ts';
import { type Step, say, step } from '../support/transcript.ts';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** Oids of functions of pg_catalog, which are the same on every server. */
const OID = { int4pl: 141, loCreate: 715, loOpen: 952, loClose: 953, loRead: 954, loWrite: 955 };

const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

const int2 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

/** FunctionCall with arguments and result in one format; null is NULL. */
function call(oid: number, args: readonly (Buffer | string | null)[], format = 1): Buffer {
  const values = args.flatMap((arg) => {
    if (arg === null) return [int4(-1)];
    const bytes = Buffer.from(arg as Buffer);
    return [int4(bytes.length), bytes];
  });
  const head = [int4(oid), int2(1), int2(format), int2(args.length)];
  return rawMessage('F', Buffer.concat([...head, ...values, int2(format)]));
}

/** By the fact they show. */
export const callScripts: Readonly<Record<string, readonly Step[]>> = {
  'a function call': [
    step(call(OID.int4pl, [int4(2), int4(3)])),
    step(call(OID.int4pl, ['2', '3'], 0)),
    step(call(OID.int4pl, [int4(2), null])),
    step(call(OID.int4pl, [int4(2)])),
    step(call(999_999, [])),
    step(call(OID.int4pl, ['x', '3'], 0)),
    ...queries('SELECT 1'),
  ],
  'a function call in a transaction': [
    ...queries('BEGIN'),
    step(call(OID.int4pl, [int4(2), int4(3)])),
    step(call(999_999, [])),
    step(call(OID.int4pl, [int4(2), int4(3)])),
    ...queries('ROLLBACK'),
    step(call(OID.int4pl, [int4(2), int4(3)])),
  ],
  'a function call of a session with state on its server': [
    ...queries('CREATE TEMP TABLE scratch (a int)'),
    step(call(OID.int4pl, [int4(2), int4(3)])),
    ...queries('SELECT * FROM scratch'),
  ],
  'a function call behind messages without Sync': [
    step([say.run('SELECT missing'), call(OID.int4pl, [int4(2), int4(3)]), say.sync]),
    ...queries('SELECT 1'),
  ],
  'function calls in a pipeline': [
    step(
      [
        ...[call(OID.int4pl, [int4(1), int4(1)]), say.query('SELECT 1')],
        ...[call(OID.int4pl, [int4(2), int4(2)]), say.run('SELECT 2'), say.sync],
      ],
      'Z',
      4,
    ),
  ],
  'a large object by function calls, as libpq does': [
    ...queries('BEGIN', 'SELECT name FROM files WHERE user_id = 1 AND id = 1'),
    ...queries('SELECT name FROM files WHERE user_id = 2 AND id = 1'),
    step(call(OID.loCreate, [int4(424_201)])),
    step(call(OID.loOpen, [int4(424_201), int4(0x60000)])),
    step(call(OID.loWrite, [int4(0), 'hello large world'])),
    step(call(OID.loClose, [int4(0)])),
    step(call(OID.loOpen, [int4(424_201), int4(0x40000)])),
    step(call(OID.loRead, [int4(0), int4(5)])),
    step(call(OID.loRead, [int4(0), int4(500)])),
    ...queries('COMMIT', 'SELECT lo_get(424201)', 'SELECT lo_unlink(424201)'),
  ],
  'a large object by SQL': queries(
    'SELECT lo_create(424202)',
    "SELECT lo_put(424202, 0, 'abcdef')",
    'SELECT lo_get(424202, 1, 3)',
    'BEGIN',
    'SELECT lo_open(424202, 131072)',
    "SELECT lowrite(0, 'XY')",
    'SELECT lo_lseek(0, 0, 0)',
    'SELECT lo_tell(0)',
    'SELECT loread(0, 4)',
    'SELECT lo_truncate(0, 3)',
    'SELECT lo_close(0)',
    'COMMIT',
    'SELECT lo_get(424202)',
    'SELECT loread(0, 4)',
    'BEGIN',
    'SELECT lo_unlink(424202)',
    'ROLLBACK',
    'SELECT lo_get(424202)',
    "SELECT lo_from_bytea(424203, '\\x00ff')",
    'SELECT lo_get(424203)',
    'GRANT SELECT ON LARGE OBJECT 424202 TO PUBLIC',
    "COMMENT ON LARGE OBJECT 424202 IS 'mine'",
    'SELECT lo_unlink(424202), lo_unlink(424203)',
    'SELECT lo_get(424202)',
  ),
  'a large object in a transaction that has used the other shard': queries(
    'BEGIN',
    'SELECT count(*) FROM files',
    "UPDATE files SET name = 'x' WHERE user_id = 1",
    "UPDATE files SET name = 'x' WHERE user_id = 2",
    'SELECT lo_create(424204)',
    'SELECT lo_open(424204, 131072)',
    "SELECT lowrite(0, 'both')",
    'COMMIT',
    'SELECT lo_get(424204)',
    'SELECT lo_unlink(424204)',
  ),
  'functions of the user': queries(
    "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'",
    'SELECT twice(21)',
    "CREATE PROCEDURE note(int) LANGUAGE sql AS 'INSERT INTO notes VALUES ($1)'",
    'CALL note(77)',
    'SELECT id FROM notes WHERE id = 77',
    'DROP FUNCTION twice(int)',
    'DROP PROCEDURE note(int)',
  ),
};
