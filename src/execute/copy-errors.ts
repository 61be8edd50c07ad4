// Errors of a COPY over several shards, and the line numbers in those of its servers.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { CopyInMerge } from '../plan/copy-merge.ts';
import type { LeadingFields } from '../value/copy/leading-fields.ts';
import type { ErrorFields } from '../wire/error-response.ts';

/** CONTEXT as PostgreSQL gives it for a row of COPY. */
export function copyContext(table: string, line: number, column?: string): string {
  return `COPY ${table}, line ${line}${column === undefined ? '' : `, column ${column}`}`;
}

/** `fields` with `line` in place of the server's line numbers; in any language of its messages. */
export function withLine(
  fields: ErrorFields,
  table: string,
  line: (own: number) => number | string,
): ErrorFields {
  const all = new Map(fields.all);
  const replaced = (text: string, pattern: RegExp) =>
    text.replace(pattern, (_, before: string, own: string) => before + line(Number(own)));
  const context = all.get('W');
  if (context !== undefined) {
    const pattern = new RegExp(`(^COPY ${escapeRegExp(table)}, \\D{1,20})(\\d+)`, 'm');
    all.set('W', replaced(context, pattern));
  }
  // LOG_VERBOSITY verbose has the line in the message.
  const message = replaced(fields.message, /^(skipping row .* at line )(\d+)/);
  all.set('M', message);
  return { ...fields, message, all };
}

/** `fields` as a server would word them that had been sent the client's fields only. */
export function withoutLeading(
  fields: ErrorFields,
  table: string,
  leading: LeadingFields | null,
): ErrorFields {
  if (leading === null) return fields;
  const { count, bytes, names } = leading;
  const all = new Map(fields.all);
  const message = fields.message.replace(
    /(header line field |line: got |field count is |, expected )(\d+)/g,
    (_, before: string, number: string) => before + (Number(number) - count),
  );
  all.set('M', message);
  const context = all.get('W');
  if (context !== undefined) {
    const sent = [bytes, names ?? bytes].map((each) => escapeRegExp(each.toString()));
    const pattern = new RegExp(`(^COPY ${escapeRegExp(table)}, .*?: ")(?:${sent.join('|')})`, 'm');
    all.set('W', context.replace(pattern, '$1'));
  }
  return { ...fields, message, all };
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export function columnsDiffer(table: string): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `the shards do not agree with each other about table "${table}"`,
    hint: 'A change of the schema may be under way: try again when all shards have it.',
  });
}

/** As PostgreSQL says it. `limit`: a number, as a server has taken it. */
export function tooManyRejected(limit: string): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidTextRepresentation,
    message: `skipped more than REJECT_LIMIT (${BigInt(limit)}) rows due to data type incompatibility`,
  });
}

export function nullKey(key: 'null' | 'default', column: string): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: a row whose sharding key is ${key === 'null' ? 'NULL' : 'a default'}`,
    hint: `Give column "${column}" a value in every row.`,
  });
}

/** A row with a key that the proxy cannot read was taken by a server: it may be at the wrong one. */
export function notSkipped({ table, key }: CopyInMerge): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `a server has read a sharding key of COPY ${table} that the proxy cannot read`,
    hint: `Write the values of column "${key!.column}" as plain decimal integers.`,
  });
}

/** The rows of a reference table go to every shard as they came. */
export function namesTypes(table: string): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `table "${table}" has columns whose binary form differs between the shards`,
    hint: 'Use the text or CSV format.',
  });
}
