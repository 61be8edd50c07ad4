// Quotes of COPY's CSV format.

/**
 * The bytes of a field, as characters of Latin-1, without its quotes; null where a quote is not
 * closed. `quote` and `escapeByte` are character codes. Source: CopyReadAttributesCSV.
 */
export function unquoteCsv(field: string, quote: number, escapeByte: number): string | null {
  let text = '';
  let inQuote = false;
  for (let at = 0; at < field.length; at++) {
    const code = field.charCodeAt(at);
    if (!inQuote) {
      if (code === quote) inQuote = true;
      else text += field[at];
      continue;
    }
    if (code === escapeByte) {
      const next = field.charCodeAt(at + 1);
      if (next === escapeByte || next === quote) {
        text += field[at + 1];
        at += 1;
        continue;
      }
    }
    if (code === quote) inQuote = false;
    else text += field[at];
  }
  return inQuote ? null : text;
}
