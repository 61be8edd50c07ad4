// Integers: int8 values read from text exactly as PostgreSQL's int8in reads them.

const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -INT8_MAX - 1n;

const INT8_INPUT =
  /^[ \t\n\r\f\v]*([+-]?)(?:(\d+(?:_\d+)*)|(0[xX](?:_?[0-9a-fA-F])+)|(0[oO](?:_?[0-7])+)|(0[bB](?:_?[01])+))[ \t\n\r\f\v]*$/;

/** null where the value is outside the int8 range. */
export function inInt8Range(value: bigint): bigint | null {
  return value < INT8_MIN || value > INT8_MAX ? null : value;
}

/** As int8in (numutils.c, pg_strtoint64_safe); null where the server raises an error. */
export function parseInt8(text: string): bigint | null {
  const match = INT8_INPUT.exec(text);
  if (match === null) return null;
  const magnitude = BigInt((match[2] ?? match[3] ?? match[4] ?? match[5]!).replaceAll('_', ''));
  return inInt8Range(match[1] === '-' ? -magnitude : magnitude);
}
