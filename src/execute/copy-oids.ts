// Copy oids: which columns of COPY's binary format hold a server's own numbers of types.

import { type CarryingColumns, carryingTypes } from '../pool/renumber.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { describe } from './describe.ts';

/**
 * `rows`: a SELECT of what is copied, null where the format is not binary. null: no value need be
 * rewritten. Rejects as describe does.
 */
export async function carryingOf(
  connection: ServerConnection,
  rows: string | null,
): Promise<CarryingColumns> {
  const { mapping } = connection.oids;
  if (mapping === null || rows === null) return null;
  const { fields } = await describe(connection, rows, []);
  return carryingTypes(
    mapping,
    (fields ?? []).map(({ typeOid }) => typeOid),
  );
}
