// Characters: how long they are, in encodings where a later byte of one may look like an ASCII character.

import { encodingName } from '../../base/encoding-name.ts';
import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';

/** Of one encoding. */
export interface Characters {
  /** 1 for each byte that begins a character of several bytes. */
  readonly starts: Uint8Array;
  /**
   * Bytes of the character that begins so at `at`; 0: the next byte, not before `end`, decides. Throws 0A000 for one
   * that PostgreSQL converts to an ASCII character, and then reads as that.
   */
  lengthAt(bytes: Buffer, at: number, end: number): number;
}

/** No later byte of a character looks like an ASCII character: each byte may be taken for one. */
export const SINGLE_BYTES: Characters = { starts: new Uint8Array(256), lengthAt: () => 1 };

/**
 * The characters of `encoding`, as PostgreSQL reads the name of one; SINGLE_BYTES where it needs no care.
 * Source: pg_encoding_mblen of wchar.c for the encodings that pg_wchar.h has for clients only. JOHAB's
 * later bytes are none of ASCII, but a server that refuses them tells of as many.
 */
export function charactersOf(encoding: string): Characters {
  return CLIENT_ONLY.get(encodingName(encoding)) ?? SINGLE_BYTES;
}

const readAs = (ascii: string): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: a character of SHIFT_JIS_2004 that a server would read as "${ascii}"`,
    hint: 'Send the data in UTF8, or COPY by hand on each shard: SET drive.shard = n.',
  });

const HIGH_BIT = 0x80;

function startsOf(isStart: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (byte >= HIGH_BIT && isStart(byte) ? 1 : 0));
}

const twoBytes = (isStart: (byte: number) => boolean): Characters => ({
  starts: startsOf(isStart),
  lengthAt: () => 2,
});

const ANY_TWO = twoBytes(() => true);
/** Half-width katakana are single bytes. */
const SJIS = twoBytes((byte) => byte < 0xa1 || byte > 0xdf);
/** Source: shift_jis_2004_to_utf8.map. */
const CONVERTED_TO_ASCII: ReadonlyMap<number, string> = new Map([
  [0x815f, '\\'],
  [0x81b0, '~'],
]);
const SHIFT_JIS_2004: Characters = {
  starts: SJIS.starts,
  lengthAt(bytes, at, end) {
    if (at + 1 >= end) return 0;
    const ascii = CONVERTED_TO_ASCII.get(bytes.readUInt16BE(at));
    if (ascii !== undefined) throw readAs(ascii);
    return 2;
  },
};
const SINGLE_SHIFT_3 = 0x8f;
const JOHAB: Characters = {
  starts: startsOf(() => true),
  lengthAt: (bytes, at) => (bytes[at] === SINGLE_SHIFT_3 ? 3 : 2),
};
const ZERO = 0x30;
const NINE = 0x39;
const GB18030: Characters = {
  starts: startsOf(() => true),
  lengthAt(bytes, at, end) {
    if (at + 1 >= end) return 0;
    const next = bytes[at + 1]!;
    return next >= ZERO && next <= NINE ? 4 : 2;
  },
};

/** By all of its names; source: encnames.c. */
const CLIENT_ONLY: ReadonlyMap<string, Characters> = new Map([
  ...['sjis', 'shiftjis', 'mskanji', 'win932', 'windows932'].map((name) => [name, SJIS] as const),
  ['shiftjis2004', SHIFT_JIS_2004],
  ...['big5', 'win950', 'windows950'].map((name) => [name, ANY_TWO] as const),
  ...['gbk', 'win936', 'windows936'].map((name) => [name, ANY_TWO] as const),
  ...['uhc', 'win949', 'windows949'].map((name) => [name, ANY_TWO] as const),
  ['gb18030', GB18030],
  ['johab', JOHAB],
]);
