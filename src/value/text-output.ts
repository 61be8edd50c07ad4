// Text output: the text of values that the proxy has computed itself, as PostgreSQL writes them.

import { formatFloat8 } from './float.ts';
import { decodeInterval } from './interval.ts';
import { formatInterval } from './interval-text.ts';
import { formatNumeric } from './numeric.ts';
import { decodeNumeric } from './numeric-binary.ts';
import type { OutputStyle } from './output-style.ts';
import { TYPE } from './type-oid.ts';

/** Makes text of a value in binary format. */
export type TextOutput = (value: Buffer) => Buffer;

const asText = (text: string) => Buffer.from(text, 'latin1');

/**
 * The output function of a type in a session of `style`; null where the proxy cannot know it
 * (money depends on lc_monetary).
 */
export function textOutput(typeOid: number, style: OutputStyle): TextOutput | null {
  switch (typeOid) {
    case TYPE.int8:
      return (value) => asText(value.readBigInt64BE(0).toString());
    case TYPE.numeric:
      return (value) => asText(formatNumeric(decodeNumeric(value)));
    case TYPE.float8:
      if (style.extraFloatDigits < 1) return null;
      return (value) => asText(formatFloat8(value.readDoubleBE(0)));
    case TYPE.interval:
      if (style.intervalStyle !== 'postgres') return null;
      return (value) => asText(formatInterval(decodeInterval(value)));
    default:
      return null;
  }
}
