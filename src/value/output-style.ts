// OutputStyle: the settings of a session that decide how computed values look as text.

export const INTERVAL_STYLES = [
  'postgres',
  'postgres_verbose',
  'sql_standard',
  'iso_8601',
] as const;

export interface OutputStyle {
  readonly intervalStyle: (typeof INTERVAL_STYLES)[number];
  readonly extraFloatDigits: number;
}

/** PostgreSQL's defaults. */
export const DEFAULT_OUTPUT_STYLE: OutputStyle = Object.freeze({
  intervalStyle: 'postgres',
  extraFloatDigits: 1,
});
