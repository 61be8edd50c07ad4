// SkippedRows: what servers say at the end of COPY … ON_ERROR ignore, as one notice.

import { quoteLiteral } from '../base/quote.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ErrorFields } from '../wire/error-response.ts';

/** "due to data type incompatibility"; the reason is the server's to word. */
const SKIPPED = /^(\d+) rows? (?:was|were) (skipped due to .*)$/;

export class SkippedRows {
  #count = 0;
  #notice: ErrorFields | null = null;
  #reason = '';

  /** True where the notice was one of these and will be told with the others. */
  take(fields: ErrorFields): boolean {
    const match = SKIPPED.exec(fields.message);
    if (match === null) return false;
    this.#count += Number(match[1]);
    this.#notice ??= fields;
    this.#reason = match[2]!;
    return true;
  }

  get count(): number {
    return this.#count;
  }

  tell(notice: (fields: ErrorFields) => void): void {
    if (this.#notice === null) return;
    const rows = this.#count === 1 ? '1 row was' : `${this.#count} rows were`;
    const message = `${rows} ${this.#reason}`;
    const all = new Map(this.#notice.all).set('M', message);
    notice({ ...this.#notice, message, all });
  }
}

/** Levels at which a server keeps its notices to itself. */
const QUIET: ReadonlySet<string> = new Set(['warning', 'error']);

/** Has the server send notices until `hush`, or the end of the transaction; null where it does already. */
export async function hear(connection: ServerConnection): Promise<string | null> {
  const { rows } = await query(
    connection,
    "SELECT pg_catalog.current_setting('client_min_messages')",
  );
  const level = rows[0]![0]!;
  if (!QUIET.has(level)) return null;
  await query(connection, 'SET LOCAL client_min_messages = notice');
  return level;
}

export async function hush(connection: ServerConnection, level: string): Promise<void> {
  await query(connection, `SET LOCAL client_min_messages = ${quoteLiteral(level)}`);
}

/** What a server that has been told to `hear` sends and would not have. */
export const isHushed = ({ severity }: ErrorFields): boolean => severity === 'NOTICE';
