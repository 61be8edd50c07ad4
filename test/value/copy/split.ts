// Splitting COPY data in tests: what a splitter gives for a stream cut into chunks.

import { BinarySplitter } from '../../../src/value/copy/binary-splitter.ts';
import { charactersOf } from '../../../src/value/copy/characters.ts';
import type { CopyFormat, CsvFormat, TextFormat } from '../../../src/value/copy/copy-format.ts';
import type { CopyKey, CopySink, CopySplitter } from '../../../src/value/copy/copy-rows.ts';
import { CsvSplitter } from '../../../src/value/copy/csv-splitter.ts';
import { TextSplitter } from '../../../src/value/copy/text-splitter.ts';

export interface SplitRow {
  readonly bytes: string;
  readonly key: CopyKey;
  readonly feeds: number;
}

export interface Split {
  readonly header: string | null;
  readonly rows: readonly SplitRow[];
}

export const TEXT: TextFormat = {
  format: 'text',
  delimiter: 0x09,
  null: '\\N',
  default: null,
  header: false,
  encoding: null,
};

export const CSV: CsvFormat = {
  format: 'csv',
  delimiter: 0x2c,
  null: '',
  default: null,
  header: false,
  encoding: null,
  quote: 0x22,
  escapeByte: 0x22,
  forceNull: false,
  forceNotNull: false,
};

function splitterFor(
  format: CopyFormat,
  keyIndex: number,
  columns: number,
  sink: CopySink,
): CopySplitter {
  if (format.format === 'text') {
    return new TextSplitter(format, keyIndex, sink, charactersOf(format.encoding ?? 'UTF8'));
  }
  if (format.format === 'csv') {
    return new CsvSplitter(format, keyIndex, sink, charactersOf(format.encoding ?? 'UTF8'));
  }
  return new BinarySplitter(keyIndex, columns, sink);
}

/** Bytes come back as Latin-1 text. */
export function split(
  format: CopyFormat,
  chunks: readonly (string | Buffer)[],
  { key = 0, columns = 2 }: { readonly key?: number; readonly columns?: number } = {},
): Split {
  const rows: SplitRow[] = [];
  let header: string | null = null;
  const splitter = splitterFor(format, key, columns, {
    header(bytes, start, end) {
      header = bytes.toString('latin1', start, end);
    },
    row(bytes, start, end, rowKey, { feeds }) {
      rows.push({ bytes: bytes.toString('latin1', start, end), key: rowKey, feeds });
    },
  });
  for (const chunk of chunks) splitter.push(Buffer.from(chunk as string, 'latin1'));
  splitter.finish();
  return { header, rows };
}

/** One byte a chunk. */
export const bytewise = (data: string): string[] => [...data];
