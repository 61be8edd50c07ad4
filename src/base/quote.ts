// Quoting: names and strings as SQL text.

/** Any name, as an identifier. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Any string, as a literal that means the same whatever standard_conforming_strings is. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** As SQL: text[]. */
export const textArray = (texts: readonly string[]): string =>
  `ARRAY[${texts.map(quoteLiteral).join(', ')}]::pg_catalog.text[]`;
