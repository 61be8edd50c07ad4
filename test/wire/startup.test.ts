// Startup packets and their options, read as a server reads them.

import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { BodyReader, MessageWriter } from '../../src/wire/bytes.ts';
import { BACKEND } from '../../src/wire/message-type.ts';
import {
  decodeStartup,
  encodeCancelRequest,
  encodeNegotiateProtocolVersion,
  encodeSslRequest,
  encodeStartup,
  PROTOCOL_3_0,
  PROTOCOL_3_2,
  parseStartupOptions,
} from '../../src/wire/startup.ts';
import fc from '../support/property.ts';
import { bodyOf, expectSafe, expectSafeWhenTruncated } from './round-trip.ts';

const decode = (packet: Buffer) => {
  expect(packet.readInt32BE(0)).toBe(packet.length);
  return decodeStartup(new BodyReader(packet, 4, packet.length));
};

describe('StartupMessage', () => {
  const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
  const name = text.filter((value) => value !== '');

  it('survives encoding and decoding', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, text)), (entries) => {
        const parameters = new Map(entries);
        const expected = { kind: 'startup', version: PROTOCOL_3_0, parameters };
        expect(decode(encodeStartup(parameters))).toEqual(expected);
      }),
    );
  });

  it('of pg-protocol is read', () => {
    const packet = serialize.startup({ user: 'u', database: 'd' });
    expect(decode(packet)).toEqual({
      kind: 'startup',
      version: PROTOCOL_3_0,
      parameters: new Map([
        ['user', 'u'],
        ['database', 'd'],
        ['client_encoding', 'UTF8'],
      ]),
    });
  });

  it('truncated at every byte, and of random bytes, is 08P01 or a shorter packet', () => {
    const packet = encodeStartup(
      new Map([
        ['user', 'naïve'],
        ['a', ''],
      ]),
    );
    expectSafeWhenTruncated(packet.subarray(4), decodeStartup);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (rest) => {
        expectSafe(rest, decodeStartup);
        expectSafe(Buffer.concat([Buffer.from([0, 3, 0, 0]), rest]), decodeStartup);
      }),
    );
  });

  it('without its last zero byte, or with bytes behind it, is 08P01', () => {
    const packet = new MessageWriter(null).int32(PROTOCOL_3_0).string('user').string('u');
    expect(() => decode(packet.finish())).toThrow(expect.objectContaining({ code: '08P01' }));
    const long = Buffer.concat([encodeStartup(new Map()).subarray(4), Buffer.from('x')]);
    expect(() => decodeStartup(new BodyReader(long, 0, long.length))).toThrow(
      expect.objectContaining({ code: '08P01' }),
    );
  });

  it('of another major version is named with its version', () => {
    const packet = new MessageWriter(null).int32(0x20000).bytes(Buffer.from('junk')).finish();
    expect(decode(packet)).toEqual({ kind: 'unknownVersion', version: 0x20000 });
  });
});

describe('Requests in place of a startup packet', () => {
  it('SSLRequest and GSSENCRequest are known', () => {
    expect(decode(encodeSslRequest())).toEqual({ kind: 'sslRequest' });
    expect(serialize.requestSsl()).toEqual(encodeSslRequest());
    const gss = new MessageWriter(null).int32(80877104).finish();
    expect(decode(gss)).toEqual({ kind: 'gssEncRequest' });
  });

  it('CancelRequest carries keys of 4 to 256 bytes', () => {
    for (const length of [4, 32, 256]) {
      const secret = Buffer.alloc(length, 7);
      expect(decode(encodeCancelRequest(-1, secret))).toEqual({
        kind: 'cancelRequest',
        key: { processId: -1, secret },
      });
    }
    expect(() => decode(encodeCancelRequest(1, Buffer.alloc(3)))).toThrow('cancel key');
    expect(() => decode(encodeCancelRequest(1, Buffer.alloc(257)))).toThrow('cancel key');
    expect(serialize.cancel(5, 6)).toEqual(encodeCancelRequest(5, Buffer.from([0, 0, 0, 6])));
  });
});

describe('NegotiateProtocolVersion', () => {
  it('has the version and the names of the unknown options', () => {
    const message = encodeNegotiateProtocolVersion(PROTOCOL_3_2, ['_pq_.a', '_pq_.b']);
    const body = bodyOf(message, BACKEND.negotiateProtocolVersion);
    expect(body.int32()).toBe(PROTOCOL_3_2);
    expect(body.int32()).toBe(2);
    expect([body.string(), body.string()]).toEqual(['_pq_.a', '_pq_.b']);
    body.finish();
  });
});

describe('options of a startup packet', () => {
  it.each([
    ['', {}],
    ['  ', {}],
    ['-c work_mem=64kB', { work_mem: '64kB' }],
    ['-cwork_mem=64kB', { work_mem: '64kB' }],
    ['--work_mem=64kB', { work_mem: '64kB' }],
    ['--work-mem=64kB', { work_mem: '64kB' }],
    ['-c a=1 -c b=2 --c=3', { a: '1', b: '2', c: '3' }],
    ['-c search_path=a,b', { search_path: 'a,b' }],
    ['-c application_name=two\\ words', { application_name: 'two words' }],
    ['-c a=back\\\\slash', { a: 'back\\slash' }],
    ['-c a=', { a: '' }],
    ['-c a=b=c', { a: 'b=c' }],
    ['-c a=1 -c a=2', { a: '2' }],
    ['\t-c\n TimeZone=UTC\t', { timezone: 'UTC' }],
  ])('%j sets %j', (options, expected) => {
    expect(Object.fromEntries(parseStartupOptions(options))).toEqual(expected);
  });

  it.each(['-c', '-c a', '--a', '-x', 'a=b', '-c =b'])('%j is refused', (options) => {
    expect(() => parseStartupOptions(options)).toThrow(
      'invalid command-line argument in the startup packet',
    );
  });

  it('of any text are settings or a refusal', () => {
    fc.assert(
      fc.property(fc.string(), (options) => {
        try {
          for (const name of parseStartupOptions(options).keys()) expect(name).not.toBe('');
        } catch (error) {
          expect(error).toMatchObject({ code: '42601' });
        }
      }),
    );
  });
});
