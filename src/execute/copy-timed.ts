// Copy timed: what columns that COPY FROM leaves to the time get, the same in all rows.

import type { TimedCopy } from '../plan/copy-merge.ts';
import { copyAt } from '../plan/copy-time.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { CopyFormat } from '../value/copy/copy-format.ts';
import {
  type LeadingFields,
  leadingFields,
  mistakenDefault,
} from '../value/copy/leading-fields.ts';
import { decodeDataRow } from '../wire/row.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { openShardStream } from './shard-stream.ts';

/** What servers are sent for the client's statement, and before each of its rows. */
export interface TimedCopyIn {
  readonly sql: string;
  readonly leading: LeadingFields | null;
}

/** By `connection`, which has the session's settings. Rejects with ServerError and SqlError. */
export async function timedCopyIn(
  connection: ServerConnection,
  timed: TimedCopy,
  format: CopyFormat,
  time: string,
): Promise<TimedCopyIn> {
  const { sql, values } = copyAt(timed, format.format, time);
  if (values === null) return { sql, leading: null };
  const resultFormats = [format.format === 'binary' ? 1 : 0];
  const statement = { sql: values, parameters: NO_PARAMETERS, resultFormats };
  const stream = await openShardStream(connection, statement);
  const rows: Buffer[] = [];
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    rows.push(...batch);
  }
  await stream.done;
  const names = timed.columns.map(({ name }) => name);
  const fields = decodeDataRow(rows[0]!);
  // These are in the session's encoding.
  const isPlain = [...fields, ...names.map((name) => Buffer.from(name))].every(
    (field) => field?.every((byte) => byte < 0x80) ?? true,
  );
  if (format.format !== 'binary' && format.encoding !== null && !isPlain) throw mistakenDefault();
  return { sql, leading: leadingFields(format, names, fields) };
}
