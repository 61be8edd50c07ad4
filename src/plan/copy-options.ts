// Options of COPY, as PostgreSQL reads them.

import { encodingName } from '../base/encoding-name.ts';
import type { SqlErrorFields } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { CopyOption } from '../sql/statement.ts';
import { tokenize } from '../sql/token.ts';
import type { CopyFormat } from '../value/copy/copy-format.ts';
import { Refusal } from './context.ts';
import { refused } from './unsupported.ts';

/** null: not given. What a server refuses is read somehow: it does so before any data. */
export interface CopyOptions {
  readonly format: string;
  readonly header: boolean;
  readonly delimiter: string | null;
  readonly null: string | null;
  readonly default: string | null;
  readonly quote: string | null;
  readonly escapeChar: string | null;
  readonly forceNull: ReadonlySet<string>;
  readonly forceNotNull: ReadonlySet<string>;
  /** Of the data, where it is not the session's. */
  readonly encoding: string | null;
  readonly onError: string;
  readonly rejectLimit: string | null;
  /** LOG_VERBOSITY silent: no notice says how many rows were skipped. */
  readonly isSilent: boolean;
}

const KNOWN = new Set([
  'format',
  'header',
  'delimiter',
  'null',
  'default',
  'quote',
  'escape',
  'force_quote',
  'force_null',
  'force_not_null',
  'encoding',
  'freeze',
  'on_error',
  'log_verbosity',
  'reject_limit',
]);

/** Undocumented. */
const UNFOLLOWED = new Set(['convert_selectively']);

const unknownOption = (name: string): SqlErrorFields => ({
  code: SQLSTATE.syntaxError,
  message: `option "${name}" not recognized`,
});

/** Throws Refusal of an option that no server knows, and of one that the proxy cannot follow. */
export function copyOptions(written: readonly CopyOption[]): CopyOptions {
  const values = new Map(written.map(({ name, value }) => [name, value]));
  for (const name of values.keys()) {
    if (UNFOLLOWED.has(name)) throw new Refusal(refused('copyOption'));
    if (!KNOWN.has(name)) throw new Refusal(unknownOption(name));
  }
  const text = (name: string): string | null => {
    const value = values.get(name);
    return typeof value === 'string' ? value : null;
  };
  return {
    format: text('format') ?? 'text',
    header: values.has('header') && isOn(values.get('header') ?? null),
    delimiter: text('delimiter'),
    null: text('null'),
    default: text('default'),
    quote: text('quote'),
    escapeChar: text('escape'),
    forceNull: columnsOf(values.get('force_null') ?? null),
    forceNotNull: columnsOf(values.get('force_not_null') ?? null),
    encoding: text('encoding'),
    onError: text('on_error') ?? 'stop',
    rejectLimit: text('reject_limit'),
    isSilent: text('log_verbosity')?.toLowerCase() === 'silent',
  };
}

/**
 * A statement of LOG_VERBOSITY silent without that: each server tells how many rows it has skipped, for
 * REJECT_LIMIT is over all of them.
 */
export function tellingSkipped(sql: string): string {
  const tokens = tokenize(sql) ?? [];
  const value = tokens.find((token, i) => {
    const name = tokens[i - 1]?.text.replaceAll('"', '');
    return name === 'log_verbosity' && token.kind !== 'mark' && token.kind !== 'operator';
  });
  return value === undefined ? sql : `${sql.slice(0, value.start)}'default'${sql.slice(value.end)}`;
}

/** NULL and DEFAULT, which data have in their encoding, are here as bytes of UTF8. */
export const mistakesMarkers = ({ encoding, default: ofDefault, null: ofNull }: CopyOptions) =>
  encoding !== null && !isUtf8(encoding) && !isAscii(`${ofNull}${ofDefault}`);

const isUtf8 = (encoding: string): boolean => ['utf8', 'unicode'].includes(encodingName(encoding));

const isAscii = (text: string): boolean => [...text].every((character) => character < '\x80');

/** HEADER alone, true, on, 1 or match. */
function isOn(value: CopyOption['value']): boolean {
  if (typeof value !== 'string') return value !== false;
  return ['true', 'on', '1', 'match'].includes(value.toLowerCase());
}

function columnsOf(value: CopyOption['value']): ReadonlySet<string> {
  if (value === '*') return new Set(['*']);
  return new Set(Array.isArray(value) ? value : []);
}

/** `keyColumn`: whose FORCE_NULL and FORCE_NOT_NULL matter; null where none does. */
export function copyFormat(options: CopyOptions, keyColumn: string | null): CopyFormat {
  const { format, header, encoding } = options;
  if (format === 'binary') return { format };
  const lines = { default: options.default, header, encoding };
  if (format !== 'csv') {
    const delimiter = charCode(options.delimiter ?? '\t');
    return { format: 'text', ...lines, delimiter, null: options.null ?? '\\N' };
  }
  const quote = options.quote ?? '"';
  const has = (columns: ReadonlySet<string>) =>
    columns.has('*') || (keyColumn !== null && columns.has(keyColumn));
  return {
    format: 'csv',
    ...lines,
    delimiter: charCode(options.delimiter ?? ','),
    null: options.null ?? '',
    quote: charCode(quote),
    escapeByte: charCode(options.escapeChar ?? quote),
    forceNull: has(options.forceNull),
    forceNotNull: has(options.forceNotNull),
  };
}

/** One ASCII character: anything else is refused by the servers. */
const charCode = (text: string): number => text.charCodeAt(0) & 0x7f;
