// Extended query messages: what is encoded is decoded, what is malformed is refused.

import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { BodyReader, MessageWriter } from '../../src/wire/bytes.ts';
import {
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeExecute,
  decodeParameterDescription,
  decodeParse,
  encodeBind,
  encodeClose,
  encodeDescribe,
  encodeExecute,
  encodeParameterDescription,
  encodeParse,
  FLUSH,
  SYNC,
} from '../../src/wire/extended.ts';
import { BACKEND, FRONTEND } from '../../src/wire/message-type.ts';
import fc from '../support/property.ts';
import { bodyOf, expectSafe, expectSafeWhenTruncated } from './round-trip.ts';

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const oid = fc.nat({ max: 0xffffffff });
const format = fc.constantFrom(0, 1);
const value = fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes)));

const parse = fc.record({ name: text, sql: text, parameterTypes: fc.array(oid) });
const bind = fc
  .record({
    portal: text,
    statement: text,
    parameters: fc.array(value),
    resultFormats: fc.array(format),
  })
  .chain((rest) => {
    const { length } = rest.parameters;
    return fc
      .constantFrom(...new Set([0, 1, length]))
      .chain((count) => fc.array(format, { minLength: count, maxLength: count }))
      .map((parameterFormats) => ({ ...rest, parameterFormats }));
  });
const named = fc.record({
  target: fc.constantFrom('statement' as const, 'portal' as const),
  name: text,
});

const decoders = {
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeExecute,
  decodeParameterDescription,
  decodeParse,
};

describe('Parse, Bind, Describe, Execute, Close', () => {
  it('survive encoding and decoding', () => {
    fc.assert(
      fc.property(parse, bind, named, text, fc.nat(), (parsed, bound, name, portal, maxRows) => {
        expect(decodeParse(bodyOf(encodeParse(parsed), FRONTEND.parse))).toEqual(parsed);
        expect(decodeBind(bodyOf(encodeBind(bound), FRONTEND.bind))).toEqual(bound);
        expect(decodeDescribe(bodyOf(encodeDescribe(name), FRONTEND.describe))).toEqual(name);
        expect(decodeClose(bodyOf(encodeClose(name), FRONTEND.close))).toEqual(name);
        const execute = encodeExecute({ portal, maxRows });
        expect(decodeExecute(bodyOf(execute, FRONTEND.execute))).toEqual({ portal, maxRows });
      }),
    );
  });

  it('truncated at every byte are 08P01 or a shorter message, and nothing behind is read', () => {
    fc.assert(
      fc.property(parse, bind, (parsed, bound) => {
        expectSafeWhenTruncated(encodeParse(parsed).subarray(5), decodeParse);
        expectSafeWhenTruncated(encodeBind(bound).subarray(5), decodeBind);
      }),
      { numRuns: 30 },
    );
    const name = encodeClose({ target: 'portal', name: 'naïve' }).subarray(5);
    expectSafeWhenTruncated(name, decodeClose);
    expectSafeWhenTruncated(name, decodeDescribe);
    expectSafeWhenTruncated(encodeExecute({ portal: 'p', maxRows: 7 }).subarray(5), decodeExecute);
    expectSafeWhenTruncated(encodeParameterDescription([23, 25]).subarray(5), (body) =>
      decodeParameterDescription(body),
    );
  });

  it('random bytes give a message or 08P01', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of Object.values(decoders)) expectSafe(bytes, decode);
      }),
    );
  });

  it('refuse bytes behind their end', () => {
    const long = (message: Buffer) => Buffer.concat([message.subarray(5), Buffer.of(0)]);
    const check = (message: Buffer, decode: (body: BodyReader) => unknown): void => {
      const body = long(message);
      expect(() => decode(new BodyReader(body, 0, body.length))).toThrow('invalid message format');
    };
    check(encodeParse({ name: '', sql: 'x', parameterTypes: [1] }), decodeParse);
    check(encodeExecute({ portal: '', maxRows: 0 }), decodeExecute);
    check(encodeDescribe({ target: 'portal', name: '' }), decodeDescribe);
    check(encodeClose({ target: 'portal', name: '' }), decodeClose);
  });
});

describe('Bind', () => {
  const header = () => new MessageWriter(FRONTEND.bind).string('').string('');
  const decode = (message: Buffer) => decodeBind(bodyOf(message, FRONTEND.bind));

  it('takes 65,535 parameters', () => {
    const parameters = Array.from({ length: 65_535 }, () => null);
    const message = encodeBind({
      ...{ portal: '', statement: '', parameterFormats: [], resultFormats: [] },
      parameters,
    });
    expect(decode(message).parameters).toHaveLength(65_535);
  });

  it('rejects a negative parameter length other than -1', () => {
    const message = header().uint16(0).uint16(1).int32(-2).uint16(0).finish();
    expect(() => decode(message)).toThrow('insufficient data left in message');
  });

  it('rejects a parameter longer than the message', () => {
    const message = header().uint16(0).uint16(1).int32(0x7fffffff).uint16(0).finish();
    expect(() => decode(message)).toThrow('insufficient data left in message');
  });

  it('rejects as many formats as fit neither none, one nor all parameters', () => {
    const message = header().uint16(2).int16(0).int16(0).uint16(1).int32(-1).uint16(0).finish();
    expect(() => decode(message)).toThrow('bind message has 2 parameter formats but 1 parameters');
  });

  it('rejects an unknown format code', () => {
    const message = header().uint16(1).int16(2).uint16(1).int32(-1).uint16(0).finish();
    expect(() => decode(message)).toThrow('unsupported format code: 2');
  });
});

describe('Describe and Close', () => {
  it.each([
    ['DESCRIBE', decodeDescribe],
    ['CLOSE', decodeClose],
  ] as const)('%s refuses to name anything but S and P', (what, decode) => {
    const body = Buffer.from('X\0');
    expect(() => decode(new BodyReader(body, 0, 2))).toThrow(
      expect.objectContaining({ code: '08P01', message: `invalid ${what} message subtype 88` }),
    );
  });
});

describe('Execute', () => {
  it('takes a negative limit as none', () => {
    const message = encodeExecute({ portal: '', maxRows: -5 });
    expect(decodeExecute(bodyOf(message, FRONTEND.execute)).maxRows).toBe(0);
  });
});

describe('ParameterDescription', () => {
  it('survives encoding and decoding', () => {
    fc.assert(
      fc.property(fc.array(oid), (types) => {
        const message = encodeParameterDescription(types);
        const body = bodyOf(message, BACKEND.parameterDescription);
        expect(decodeParameterDescription(body)).toEqual(types);
      }),
    );
  });
});

describe('What pg-protocol writes', () => {
  it('is what our codec writes', () => {
    expect(serialize.sync()).toEqual(SYNC);
    expect(serialize.flush()).toEqual(FLUSH);
    expect(serialize.parse({ name: 'n', text: 'select $1', types: [23] })).toEqual(
      encodeParse({ name: 'n', sql: 'select $1', parameterTypes: [23] }),
    );
    expect(serialize.describe({ type: 'S', name: 'n' })).toEqual(
      encodeDescribe({ target: 'statement', name: 'n' }),
    );
    expect(serialize.close({ type: 'P', name: 'p' })).toEqual(
      encodeClose({ target: 'portal', name: 'p' }),
    );
    expect(serialize.execute({ portal: 'p', rows: 5 })).toEqual(
      encodeExecute({ portal: 'p', maxRows: 5 }),
    );
  });

  it('is read by our codec', () => {
    const message = serialize.bind({
      ...{ portal: 'p', statement: 's', binary: true },
      values: ['text', null, Buffer.of(0, 1)],
    });
    expect(decodeBind(bodyOf(message, FRONTEND.bind))).toEqual({
      portal: 'p',
      statement: 's',
      parameterFormats: [0, 0, 1],
      parameters: [Buffer.from('text'), null, Buffer.of(0, 1)],
      resultFormats: [1],
    });
  });
});
