// Leading fields: values of the proxy's own before those of each row of COPY data.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import type { CopyFormat } from './copy-format.ts';

/** The same for every row. */
export interface LeadingFields {
  readonly count: number;
  /** As they stand in a row, before its first field. */
  readonly bytes: Buffer;
  /** Of formats with lines: their names in the HEADER line; null: in binary, a row counts its fields. */
  readonly names: Buffer | null;
}

/**
 * `values`: text in the data's encoding, in binary what the types' receive functions take. Throws 0A000
 * for what a server would take for one of the options' markers, or for the end of a line.
 */
export function leadingFields(
  format: CopyFormat,
  names: readonly string[],
  values: readonly (Buffer | null)[],
): LeadingFields {
  const count = values.length;
  if (format.format === 'binary') {
    return { count, bytes: Buffer.concat(values.flatMap(binaryField)), names: null };
  }
  const line = (fields: readonly (Buffer | null)[]): Buffer => {
    const delimiter = String.fromCharCode(format.delimiter);
    const text = fields.map((field) => lineField(format, field) + delimiter).join('');
    return Buffer.from(text, 'latin1');
  };
  return { count, bytes: line(values), names: line(names.map((name) => Buffer.from(name))) };
}

function binaryField(value: Buffer | null): readonly Buffer[] {
  const length = Buffer.alloc(4);
  length.writeInt32BE(value === null ? -1 : value.length);
  return value === null ? [length] : [length, value];
}

/** As characters of Latin-1. */
function lineField(
  format: Exclude<CopyFormat, { format: 'binary' }>,
  value: Buffer | null,
): string {
  if (value === null) {
    if (format.format === 'csv' && format.forceNotNull) throw mistakenDefault();
    return format.null;
  }
  const text = value.toString('latin1');
  const field = format.format === 'csv' ? quoted(text, format) : escaped(text, format.delimiter);
  const isMarker = [field, text].some((each) => each === format.null || each === format.default);
  // Servers count lines inside of quotes, too.
  if (isMarker || /[\n\r]/.test(field)) throw mistakenDefault();
  return field;
}

function quoted(
  text: string,
  { quote, escapeByte }: { quote: number; escapeByte: number },
): string {
  const mark = String.fromCharCode(quote);
  const escaping = String.fromCharCode(escapeByte);
  const inside = [...text].map((c) => (c === mark || c === escaping ? escaping + c : c)).join('');
  return mark + inside + mark;
}

const escaped = (text: string, delimiter: number): string =>
  [...text]
    .map((c) => {
      const code = c.charCodeAt(0);
      const isPlain = code >= 0x20 && c !== '\\' && code !== delimiter;
      return isPlain ? c : `\\x${code.toString(16).padStart(2, '0')}`;
    })
    .join('');

/** 0A000. */
export const mistakenDefault = (): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: "not supported: a default that COPY's format and options give another meaning",
    hint: 'List the column and give its value in every row.',
  });
