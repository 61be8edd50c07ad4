// Array parameter: a column of rows in binary format as one array in binary format.

/**
 * `rows`: DataRow bodies in binary format. Source: array_send() of arrayfuncs.c: dimensions, whether
 * there are NULLs, the element type, then for the one dimension its length and lower bound, then each
 * element as a row has it: length and bytes.
 */
export function arrayOf(rows: readonly Buffer[], column: number, elementTypeOid: number): Buffer {
  const header = Buffer.alloc(rows.length === 0 ? 12 : 20);
  header.writeInt32BE(rows.length === 0 ? 0 : 1, 0);
  header.writeInt32BE(elementTypeOid, 8);
  if (rows.length === 0) return header;
  header.writeInt32BE(rows.length, 12);
  header.writeInt32BE(1, 16);
  const pieces: Buffer[] = [header];
  let hasNull = false;
  for (const row of rows) {
    let at = 2;
    for (let i = 0; i < column; i++) at += 4 + Math.max(row.readInt32BE(at), 0);
    const length = row.readInt32BE(at);
    hasNull ||= length < 0;
    pieces.push(row.subarray(at, at + 4 + Math.max(length, 0)));
  }
  header.writeInt32BE(hasNull ? 1 : 0, 4);
  return Buffer.concat(pieces);
}
