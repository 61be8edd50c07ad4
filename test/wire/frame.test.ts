// FrameReader: messages come out whole whichever way the bytes come in.

import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { FrameReader } from '../../src/wire/frame.ts';
import fc from '../support/property.ts';

const LENGTH_MAX = 1_000_000;

interface Seen {
  readonly type: number;
  readonly body: string;
}

function message(type: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes[0] = type;
  bytes.writeInt32BE(4 + body.length, 1);
  bytes.set(body, 5);
  return bytes;
}

function drain(reader: FrameReader): Seen[] {
  const seen: Seen[] = [];
  while (reader.next()) {
    const { type, buffer, start, bodyStart, end } = reader;
    expect(buffer[start]).toBe(type);
    seen.push({ type, body: buffer.toString('hex', bodyStart, end) });
  }
  return seen;
}

function feed(reader: FrameReader, chunks: readonly Buffer[]): Seen[] {
  return chunks.flatMap((chunk) => {
    reader.push(chunk);
    return drain(reader);
  });
}

/** `bytes` cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  let start = 0;
  return ends
    .sort((a, b) => a - b)
    .map((end) => {
      const chunk = bytes.subarray(start, end);
      start = end;
      return chunk;
    });
}

const messages = fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array()), {
  maxLength: 12,
});

describe('FrameReader', () => {
  it('gives three messages split in two at every byte', () => {
    const bytes = Buffer.concat([
      message(0x51, Buffer.from('select 1\0')),
      message(0x53, Buffer.alloc(0)),
      message(0x58, Buffer.alloc(0)),
    ]);
    for (let at = 0; at <= bytes.length; at++) {
      const seen = feed(new FrameReader(LENGTH_MAX), [bytes.subarray(0, at), bytes.subarray(at)]);
      expect(seen.map(({ type }) => type)).toEqual([0x51, 0x53, 0x58]);
      expect(seen[0]!.body).toBe(Buffer.from('select 1\0').toString('hex'));
    }
  });

  it('gives messages sent byte by byte', () => {
    const bytes = Buffer.concat([message(1, Buffer.from('a')), message(2, Buffer.from('bc'))]);
    const bits = [...bytes].map((byte) => Buffer.from([byte]));
    expect(feed(new FrameReader(LENGTH_MAX), bits)).toEqual([
      { type: 1, body: '61' },
      { type: 2, body: '6263' },
    ]);
  });

  it('gives any messages cut and joined in any way', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 30 }), (sent, places) => {
        const bytes = Buffer.concat(sent.map(([type, body]) => message(type, body)));
        const reader = new FrameReader(LENGTH_MAX);
        const expected = sent.map(([type, body]) => ({
          type,
          body: Buffer.from(body).toString('hex'),
        }));
        expect(feed(reader, cut(bytes, places))).toEqual(expected);
        expect(reader.bufferedBytes).toBe(0);
      }),
    );
  });

  it('gives messages that were only read after all chunks had come', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 30 }), (sent, places) => {
        const bytes = Buffer.concat(sent.map(([type, body]) => message(type, body)));
        const reader = new FrameReader(LENGTH_MAX);
        for (const chunk of cut(bytes, places)) reader.push(chunk);
        expect(reader.bufferedBytes).toBe(bytes.length);
        expect(reader.peekByte()).toBe(bytes[0] ?? -1);
        expect(drain(reader)).toHaveLength(sent.length);
      }),
    );
  });

  it('leaves the bytes of earlier messages untouched', () => {
    const reader = new FrameReader(LENGTH_MAX);
    const whole = message(0x44, Buffer.from('first'));
    reader.push(whole.subarray(0, 6));
    reader.push(Buffer.from(whole.subarray(6)));
    expect(reader.next()).toBe(true);
    const view = reader.buffer.subarray(reader.bodyStart, reader.end);
    feed(reader, cut(Buffer.concat([message(0x44, Buffer.alloc(500, 0x78))]), [3, 9, 200]));
    expect(view.toString()).toBe('first');
  });

  it.each([0, 1, 3, -1, -0x80000000, LENGTH_MAX + 1, 0x7fffffff])(
    'refuses the length %i with 08P01',
    (length) => {
      const bytes = message(0x51, Buffer.from('x'));
      bytes.writeInt32BE(length, 1);
      const reader = new FrameReader(LENGTH_MAX);
      reader.push(bytes);
      expect(() => reader.next()).toThrow(
        expect.objectContaining({ code: '08P01', message: 'invalid message length' }),
      );
    },
  );

  it('refuses a bad length as soon as its last byte is there', () => {
    const reader = new FrameReader(LENGTH_MAX);
    reader.push(Buffer.from([0x51, 0xff, 0xff, 0xff]));
    expect(reader.next()).toBe(false);
    reader.push(Buffer.from([0xff]));
    expect(() => reader.next()).toThrow(SqlError);
  });

  it('takes a message of exactly the largest length', () => {
    const reader = new FrameReader(100);
    reader.push(message(0x51, Buffer.alloc(96)));
    expect(reader.next()).toBe(true);
  });

  it('random bytes give messages or 08P01, and never a read past the end', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.boolean(), (chunks, startup) => {
        const reader = new FrameReader(30, startup);
        let received = 0;
        try {
          for (const chunk of chunks) {
            received += chunk.length;
            reader.push(Buffer.from(chunk));
            while (reader.next()) {
              expect(reader.end).toBeLessThanOrEqual(reader.buffer.length);
              expect(reader.bodyStart).toBeLessThanOrEqual(reader.end);
              received -= reader.end - reader.start;
            }
            expect(reader.bufferedBytes).toBe(received);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: '08P01' });
        }
      }),
    );
  });
});

describe('FrameReader with startup packets', () => {
  const packet = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

  it('gives a packet without type byte, split at every byte', () => {
    for (let at = 0; at <= packet.length; at++) {
      const seen: string[] = [];
      const reader = new FrameReader(100, true);
      for (const chunk of [packet.subarray(0, at), packet.subarray(at)]) {
        reader.push(chunk);
        while (reader.next()) {
          expect(reader.type).toBe(0);
          seen.push(reader.buffer.toString('hex', reader.bodyStart, reader.end));
        }
      }
      expect(seen).toEqual(['04d2162f']);
    }
  });

  it('goes on with ordinary messages after startup is set to false', () => {
    const reader = new FrameReader(100, true);
    reader.push(Buffer.concat([packet, message(0x70, Buffer.from('pw\0'))]));
    expect(reader.next()).toBe(true);
    reader.startup = false;
    expect(drain(reader)).toEqual([{ type: 0x70, body: '707700' }]);
  });

  it('calls a bad length one of the startup packet', () => {
    const reader = new FrameReader(100, true);
    reader.push(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(() => reader.next()).toThrow('invalid length of startup packet');
  });

  it('takeRest gives what was sent behind the packet, joined', () => {
    const reader = new FrameReader(100, true);
    reader.push(Buffer.concat([packet, Buffer.from('ab')]));
    reader.push(Buffer.from('cd'));
    expect(reader.next()).toBe(true);
    expect(reader.takeRest().toString()).toBe('abcd');
    expect(reader.bufferedBytes).toBe(0);
    expect(reader.next()).toBe(false);
  });
});

describe('FrameReader in pieces', () => {
  const body = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256));
  const bytes = Buffer.concat([message(0x44, body), message(0x43, Buffer.from('X\0'))]);

  it('the pieces of a huge message put together are the message, cut in any way', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (places) => {
        const reader = new FrameReader(LENGTH_MAX);
        const out: Buffer[] = [];
        for (const chunk of cut(bytes, places)) {
          reader.push(chunk);
          for (;;) {
            if (!reader.next()) {
              if (reader.pendingType() !== 0x44) break;
              reader.nextPiece();
              expect(reader.complete).toBe(false);
            }
            out.push(reader.buffer.subarray(reader.start, reader.end));
          }
        }
        expect(Buffer.concat(out).equals(bytes)).toBe(true);
        expect(reader.complete).toBe(true);
        expect(reader.type).toBe(0x43);
      }),
    );
  });

  it('names no pending type before the header is whole', () => {
    const reader = new FrameReader(LENGTH_MAX);
    reader.push(bytes.subarray(0, 4));
    expect(reader.next()).toBe(false);
    expect(reader.pendingType()).toBe(-1);
    reader.push(bytes.subarray(4, 5));
    expect(reader.next()).toBe(false);
    expect(reader.pendingType()).toBe(0x44);
  });
});

describe('FrameReader.free', () => {
  const large = message(0x64, Buffer.alloc(20_000, 'x'));
  const next = message(0x44, Buffer.from('the next message'));

  it('gives back the memory of a large chunk, and keeps what of it is still to be given out', () => {
    const reader = new FrameReader(LENGTH_MAX);
    const chunk = Buffer.from(new Uint8Array(Buffer.concat([large, next.subarray(0, 9)])).buffer);
    reader.push(chunk);
    expect(drain(reader)).toHaveLength(1);
    reader.free(chunk);
    expect(chunk.length).toBe(0);
    expect(feed(reader, [next.subarray(9)])).toEqual([
      { type: 0x44, body: Buffer.from('the next message').toString('hex') },
    ]);
  });

  it('leaves a chunk alone that shares its memory, or holds much of what is to come', () => {
    const shared = new FrameReader(LENGTH_MAX);
    const memory = Buffer.from(new Uint8Array(Buffer.concat([large, next])).buffer);
    const slice = memory.subarray(0, large.length);
    shared.push(slice);
    drain(shared);
    shared.free(slice);
    expect(slice).toEqual(large);

    const early = new FrameReader(LENGTH_MAX);
    const part = Buffer.from(new Uint8Array(large.subarray(0, 15_000)).buffer);
    early.push(part);
    expect(drain(early)).toEqual([]);
    early.free(part);
    expect(feed(early, [large.subarray(15_000)])).toHaveLength(1);
  });
});
