// Prepared dates: what the strings of a prepared statement were read with.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { tokenize } from '../sql/token.ts';
import type { PreparedStatement } from './prepared.ts';
import type { SessionState } from './state.ts';

/** How servers read dates for the session, as in Settings. */
export const datesOf = ({ transaction, settings }: SessionState): string =>
  transaction?.dates ?? settings.current.dates;

/**
 * One server has made constants of them; those that see the statement for the first time now would read them by the
 * settings of now.
 */
export const mayReadOtherwise = (statement: PreparedStatement, state: SessionState): boolean =>
  statement.dates !== datesOf(state) && holdsDate(statement.sql);

/** Throws 0A000. Drivers that know the routine prepare the statement again. */
export function checkDates(statement: PreparedStatement, state: SessionState): void {
  if (!mayReadOtherwise(statement, state)) return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'a prepared statement with a date in a string, under another DateStyle, IntervalStyle or TimeZone than it was prepared under',
    hint: 'Prepare it again, or give the date as a parameter.',
    routine: 'RevalidateCachedQuery',
  });
}

/** Digits as dates, times, signed intervals and amounts of money have them; `1 day` means the same everywhere. */
const NUMBERS = /\d[-/:.,\s]\s*\d|\d{4}/;
const MONTH = /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec/i;

/** Each pattern by itself takes a time in proportion to the text, which may be any client's. */
const isLikeDate = (text: string): boolean =>
  NUMBERS.test(text) || (MONTH.test(text) && /\d/.test(text));

const holdsDate = (sql: string): boolean =>
  isLikeDate(sql) &&
  (tokenize(sql)?.some(({ kind, text }) => kind === 'string' && isLikeDate(text)) ?? true);
