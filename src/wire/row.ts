// Rows: RowDescription and DataRow.

import { protocolViolation } from '../base/errors.ts';
import { BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND } from './message-type.ts';

/** One column of a RowDescription. */
export interface FieldDescription {
  readonly name: string;
  /** 0 where the column is not a table's. */
  readonly tableOid: number;
  /** pg_attribute.attnum; 0 where the column is not a table's. */
  readonly columnNumber: number;
  readonly typeOid: number;
  /** pg_type.typlen; negative for variable width. */
  readonly typeSize: number;
  /** pg_attribute.atttypmod; -1 for none. */
  readonly typeModifier: number;
  /** 0 text, 1 binary. */
  readonly format: number;
}

export function encodeRowDescription(fields: readonly FieldDescription[]): Buffer {
  const writer = new MessageWriter(BACKEND.rowDescription).uint16(fields.length);
  for (const field of fields) {
    writer
      .string(field.name)
      .uint32(field.tableOid)
      .int16(field.columnNumber)
      .uint32(field.typeOid)
      .int16(field.typeSize)
      .int32(field.typeModifier)
      .int16(field.format);
  }
  return writer.finish();
}

/** Throws 08P01. */
export function decodeRowDescription(body: BodyReader): FieldDescription[] {
  const fields: FieldDescription[] = [];
  for (let left = body.uint16(); left > 0; left--) {
    fields.push({
      name: body.string(),
      tableOid: body.uint32(),
      columnNumber: body.int16(),
      typeOid: body.uint32(),
      typeSize: body.int16(),
      typeModifier: body.int32(),
      format: body.int16(),
    });
  }
  body.finish();
  return fields;
}

const COUNT_BYTES = 2;
const LENGTH_BYTES = 4;
const HEADER_BYTES = 5;

/** A whole DataRow message; null is NULL. */
export function encodeDataRow(values: readonly (Uint8Array | null)[]): Buffer {
  let bytes = HEADER_BYTES + COUNT_BYTES;
  for (const value of values) bytes += LENGTH_BYTES + (value?.length ?? 0);
  const row = Buffer.allocUnsafe(bytes);
  writeHeader(row);
  row.writeUInt16BE(values.length, HEADER_BYTES);
  let at = HEADER_BYTES + COUNT_BYTES;
  for (const value of values) {
    row.writeInt32BE(value === null ? -1 : value.length, at);
    at += LENGTH_BYTES;
    if (value === null) continue;
    row.set(value, at);
    at += value.length;
  }
  return row;
}

/** The body of a DataRow message, without its type and length; null is NULL. */
export const encodeDataRowBody = (values: readonly (Uint8Array | null)[]): Buffer =>
  encodeDataRow(values).subarray(HEADER_BYTES);

/** The DataRow message with this body, which is copied. */
export function frameDataRow(body: Buffer): Buffer {
  const row = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  writeHeader(row);
  body.copy(row, HEADER_BYTES);
  return row;
}

function writeHeader(row: Buffer): void {
  row[0] = BACKEND.dataRow;
  row.writeInt32BE(row.length - 1, 1);
}

/** The values of a DataRow body as views on it; null is NULL. Throws 08P01. */
export function decodeDataRow(body: Buffer): (Buffer | null)[] {
  const reader = new BodyReader(body, 0, body.length);
  const values: (Buffer | null)[] = [];
  for (let left = reader.uint16(); left > 0; left--) values.push(reader.value());
  reader.finish();
  return values;
}

/** One value of a DataRow body, as a view, without decoding the others. Throws 08P01. */
export function columnAt(body: Buffer, index: number): Buffer | null {
  const end = body.length;
  if (end < COUNT_BYTES || index < 0 || index >= body.readUInt16BE(0)) throw malformedRow();
  let at = COUNT_BYTES;
  for (let skipped = 0; ; skipped++) {
    if (at + LENGTH_BYTES > end) throw malformedRow();
    const length = body.readInt32BE(at);
    at += LENGTH_BYTES;
    if (length > end - at || length < -1) throw malformedRow();
    if (skipped === index) return length === -1 ? null : body.subarray(at, at + length);
    if (length > 0) at += length;
  }
}

function malformedRow(): Error {
  return protocolViolation('a row of the server is malformed');
}
