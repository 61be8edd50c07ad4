// CopyFormat: the options of COPY that decide where rows end and what their key is.

/** Single characters are codes of ASCII bytes; `null` and `default` are raw bytes of a field. */
export type CopyFormat = TextFormat | CsvFormat | BinaryFormat;

interface LineFormat {
  readonly delimiter: number;
  readonly null: string;
  readonly default: string | null;
  /** The first line is no row. */
  readonly header: boolean;
  /** Of the data, where it is not the session's. */
  readonly encoding: string | null;
}

export interface TextFormat extends LineFormat {
  readonly format: 'text';
}

export interface CsvFormat extends LineFormat {
  readonly format: 'csv';
  readonly quote: number;
  readonly escapeByte: number;
  /** FORCE_NULL and FORCE_NOT_NULL, of the key's column. */
  readonly forceNull: boolean;
  readonly forceNotNull: boolean;
}

export interface BinaryFormat {
  readonly format: 'binary';
}
