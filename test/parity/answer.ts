// Answers: what a server gave for a statement, in a form two servers can be compared by.

import pg from 'pg';
import { FIRST_USER_OID } from '../../src/base/oid.ts';
import type { Login } from '../support/proxy.ts';

export type Answer =
  | {
      readonly kind: 'rows';
      readonly command: string;
      readonly count: number | null;
      readonly columns: readonly { readonly name: string; readonly typeOid: number }[];
      /** Text as the server sent it; null is NULL. */
      readonly rows: readonly (readonly (string | null)[])[];
    }
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

/** Values as the server sent them: a driver's conversions would hide differences. */
const RAW = { getTypeParser: () => (value: string | Buffer) => value.toString() };

export async function connect(login: Login): Promise<pg.Client> {
  const { host, port, database, user, password } = login;
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  return client;
}

/** `parameters`: with any, by the extended protocol. */
export async function ask(
  client: pg.Client,
  text: string,
  parameters?: readonly unknown[],
): Promise<Answer> {
  try {
    const values = parameters === undefined ? {} : { values: [...parameters] };
    const result = await client.query({ text, rowMode: 'array', types: RAW, ...values });
    const last = Array.isArray(result) ? result.at(-1) : result;
    return {
      kind: 'rows',
      command: last.command,
      count: last.rowCount,
      columns: last.fields.map((field: pg.FieldDef) => ({
        name: field.name,
        // A type made by a user has another oid on every server.
        typeOid: Math.min(field.dataTypeID, FIRST_USER_OID),
      })),
      rows: last.rows,
    };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { kind: 'error', code: error.code ?? '', message: error.message };
  }
}

/** The same rows in an order that does not depend on where they came from. */
export function unordered(answer: Answer): Answer {
  if (answer.kind === 'error') return answer;
  const rows = [...answer.rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return { ...answer, rows };
}

export const REFUSED = '0A000';
