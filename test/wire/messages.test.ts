// The other messages: rows, errors, status, authentication and COPY, round trip and malformed.

import { Readable } from 'node:stream';
import { parse as parseStream, serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import {
  decodeAuthentication,
  decodePassword,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeAuthentication,
  encodePassword,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../../src/wire/authentication.ts';
import { decodeCopyFail, encodeCopyFail } from '../../src/wire/copy.ts';
import {
  decodeErrorFields,
  encodeErrorResponse,
  encodeNotice,
} from '../../src/wire/error-response.ts';
import {
  BIND_COMPLETE,
  NO_DATA,
  PARSE_COMPLETE,
  PORTAL_SUSPENDED,
} from '../../src/wire/extended.ts';
import { BACKEND, FRONTEND } from '../../src/wire/message-type.ts';
import {
  decodeCommandComplete,
  decodeQuery,
  EMPTY_QUERY_RESPONSE,
  encodeCommandComplete,
  encodeQuery,
  parseCommandTag,
} from '../../src/wire/query.ts';
import {
  columnAt,
  decodeDataRow,
  decodeRowDescription,
  encodeDataRow,
  encodeRowDescription,
  frameDataRow,
} from '../../src/wire/row.ts';
import {
  decodeBackendKeyData,
  decodeParameterStatus,
  encodeBackendKeyData,
  encodeParameterStatus,
  READY_FAILED,
} from '../../src/wire/status.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import fc from '../support/property.ts';
import { bodyOf, expectSafe, expectSafeWhenTruncated } from './round-trip.ts';

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const bytes = fc.uint8Array().map((each) => Buffer.from(each));
const values = fc.array(fc.option(bytes));
const int16 = fc.integer({ min: -0x8000, max: 0x7fff });
const oid = fc.nat({ max: 0xffffffff });
const field = fc.record({
  name: text,
  tableOid: oid,
  columnNumber: int16,
  typeOid: oid,
  typeSize: int16,
  typeModifier: fc.integer(),
  format: fc.constantFrom(0, 1),
});

describe('DataRow', () => {
  it('survives encoding and decoding, whole and by column', () => {
    fc.assert(
      fc.property(values, (row) => {
        const message = encodeDataRow(row);
        expect(bodyOf(message, BACKEND.dataRow).remaining).toBe(message.length - 5);
        const body = message.subarray(5);
        expect(decodeDataRow(body)).toEqual(row);
        expect(row.map((_, i) => columnAt(body, i))).toEqual(row);
        expect(frameDataRow(body)).toEqual(message);
      }),
    );
  });

  it('truncated at every byte is 08P01, for the whole row and for its last column', () => {
    const body = encodeDataRow([Buffer.from('ab'), null, Buffer.from('cde')]).subarray(5);
    for (let length = 0; length < body.length; length++) {
      const cut = body.subarray(0, length);
      expect(() => decodeDataRow(cut)).toThrow(SqlError);
      expect(() => columnAt(cut, 2)).toThrow(SqlError);
    }
  });

  it('a column past the last, or with a length below -1, is 08P01', () => {
    const body = Buffer.from(encodeDataRow([Buffer.from('a'), Buffer.from('b')]).subarray(5));
    expect(() => columnAt(body, 2)).toThrow(SqlError);
    expect(() => columnAt(body, -1)).toThrow(SqlError);
    body.writeInt32BE(-2, 2);
    expect(() => columnAt(body, 1)).toThrow(SqlError);
  });
});

describe('RowDescription', () => {
  it('survives encoding and decoding', () => {
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        const body = bodyOf(encodeRowDescription(fields), BACKEND.rowDescription);
        expect(decodeRowDescription(body)).toEqual(fields);
      }),
    );
  });
});

describe('ErrorResponse', () => {
  it('has every field of an error of ours', () => {
    const error = new SqlError({
      ...{ code: '0A000', message: 'no', detail: 'why', hint: 'how', position: 7 },
      severity: 'FATAL',
    });
    const fields = decodeErrorFields(bodyOf(encodeErrorResponse(error), BACKEND.errorResponse));
    expect(fields).toMatchObject({ severity: 'FATAL', code: '0A000', message: 'no' });
    expect(Object.fromEntries(fields.all)).toEqual({
      ...{ S: 'FATAL', V: 'FATAL', C: '0A000', M: 'no', D: 'why', H: 'how', P: '7' },
    });
  });

  it('keeps every field of a server, known or not, in its order', () => {
    const all = new Map([
      ['S', 'ERREUR'],
      ['V', 'ERROR'],
      ['C', '23505'],
      ['M', 'doublon'],
      ['s', 'public'],
      ['z', 'new'],
    ]);
    const message = encodeErrorResponse({ severity: 'ERROR', code: '23505', message: '', all });
    const fields = decodeErrorFields(bodyOf(message, BACKEND.errorResponse));
    expect([...fields.all]).toEqual([...all]);
    expect(fields.severity).toBe('ERROR');
  });

  it('shows a zero byte in our text as \\0, which would end the field', () => {
    const error = new SqlError({ code: '42601', message: 'a\0b' });
    const fields = decodeErrorFields(bodyOf(encodeErrorResponse(error), BACKEND.errorResponse));
    expect(fields.message).toBe('a\\0b');
  });

  it('without code or text is 08P01', () => {
    for (const body of [Buffer.from('\0'), Buffer.from('Mtext\0\0'), Buffer.from('C42601\0\0')]) {
      const message = Buffer.concat([Buffer.from([0x45, 0, 0, 0, 4 + body.length]), body]);
      expect(() => decodeErrorFields(bodyOf(message, BACKEND.errorResponse))).toThrow(
        expect.objectContaining({ code: '08P01' }),
      );
    }
  });
});

describe('Query and CommandComplete', () => {
  it('survive encoding and decoding', () => {
    fc.assert(
      fc.property(text, (sql) => {
        expect(decodeQuery(bodyOf(encodeQuery(sql), FRONTEND.query))).toBe(sql);
        const complete = bodyOf(encodeCommandComplete(sql), BACKEND.commandComplete);
        expect(decodeCommandComplete(complete)).toBe(sql);
      }),
    );
  });

  it.each([
    ['INSERT 0 5', 'INSERT', 5n],
    ['SELECT 0', 'SELECT', 0n],
    ['UPDATE 18446744073709551615', 'UPDATE', 18446744073709551615n],
    ['COPY 3', 'COPY', 3n],
    ['CREATE TABLE', 'CREATE TABLE', null],
    ['CREATE TABLE AS', 'CREATE TABLE AS', null],
    ['', '', null],
  ])('the tag "%s" is %s with %s rows', (tag, verb, rows) => {
    expect(parseCommandTag(tag)).toEqual({ verb, rows });
  });
});

describe('Authentication', () => {
  const requests = [
    { kind: 'ok' },
    { kind: 'cleartextPassword' },
    { kind: 'md5Password', salt: Buffer.from([1, 2, 3, 4]) },
    { kind: 'sasl', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
    { kind: 'saslContinue', data: Buffer.from('r=x') },
    { kind: 'saslFinal', data: Buffer.from('v=y') },
    { kind: 'other', code: 7 },
  ] as const;

  it.each(requests)('$kind survives encoding and decoding', (request) => {
    const message = encodeAuthentication(request);
    expect(decodeAuthentication(bodyOf(message, BACKEND.authentication))).toEqual(request);
    expectSafeWhenTruncated(message.subarray(5), decodeAuthentication);
  });

  it('answers of the client survive encoding and decoding', () => {
    fc.assert(
      fc.property(text, bytes, (name, data) => {
        expect(decodePassword(bodyOf(encodePassword(name), FRONTEND.password))).toBe(name);
        const initial = encodeSaslInitialResponse(name, data);
        const body = bodyOf(initial, FRONTEND.password);
        expect(decodeSaslInitialResponse(body)).toEqual({ mechanism: name, data });
        const response = bodyOf(encodeSaslResponse(data), FRONTEND.password);
        expect(decodeSaslResponse(response)).toEqual(data);
        expectSafeWhenTruncated(initial.subarray(5), decodeSaslInitialResponse);
      }),
    );
  });
});

describe('ParameterStatus, BackendKeyData, CopyFail', () => {
  it('survive encoding and decoding', () => {
    const secret = fc.uint8Array({ minLength: 4, maxLength: 256 }).map((each) => Buffer.from(each));
    fc.assert(
      fc.property(text, text, fc.integer(), secret, (name, value, processId, key) => {
        const status = bodyOf(encodeParameterStatus(name, value), BACKEND.parameterStatus);
        expect(decodeParameterStatus(status)).toEqual({ name, value });
        const message = encodeBackendKeyData({ processId, secret: key });
        const data = bodyOf(message, BACKEND.backendKeyData);
        expect(decodeBackendKeyData(data)).toEqual({ processId, secret: key });
        expect(decodeCopyFail(bodyOf(encodeCopyFail(name), FRONTEND.copyFail))).toBe(name);
      }),
    );
  });

  it.each([0, 3, 257])('a cancel key of %i bytes is 08P01', (length) => {
    const message = encodeBackendKeyData({ processId: 1, secret: Buffer.alloc(length) });
    const body = bodyOf(message, BACKEND.backendKeyData);
    expect(() => decodeBackendKeyData(body)).toThrow('invalid length of cancel key');
  });
});

describe('Every decoder', () => {
  const decoders = {
    decodeAuthentication,
    decodeBackendKeyData,
    decodeCommandComplete,
    decodeCopyFail,
    decodeErrorFields,
    decodeParameterStatus,
    decodePassword,
    decodeQuery,
    decodeRowDescription,
    decodeSaslInitialResponse,
    decodeSaslResponse,
  };

  it('gives a message or 08P01 for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (random) => {
        for (const decode of Object.values(decoders)) expectSafe(random, decode);
      }),
    );
  });

  it('reads nothing behind a truncated message', () => {
    const fields = [
      ...['id', 'name'].map((name) => ({ name, tableOid: 1, columnNumber: 1, typeOid: 23 })),
    ].map((each) => ({ ...each, typeSize: 4, typeModifier: -1, format: 0 }));
    expectSafeWhenTruncated(encodeRowDescription(fields).subarray(5), decodeRowDescription);
    const error = encodeErrorResponse(new SqlError({ code: '42601', message: 'x', hint: 'y' }));
    expectSafeWhenTruncated(error.subarray(5), decodeErrorFields);
    expectSafeWhenTruncated(encodeParameterStatus('a', 'b').subarray(5), decodeParameterStatus);
    expectSafeWhenTruncated(encodeQuery('select 1').subarray(5), decodeQuery);
    expectSafeWhenTruncated(encodePassword('secret').subarray(5), decodePassword);
  });
});

describe('pg-protocol', () => {
  it('reads what we write', async () => {
    const sent = [
      encodeAuthentication({ kind: 'sasl', mechanisms: ['SCRAM-SHA-256'] }),
      encodeAuthentication({ kind: 'md5Password', salt: Buffer.from('salt') }),
      encodeAuthentication({ kind: 'ok' }),
      encodeParameterStatus('TimeZone', 'UTC'),
      encodeBackendKeyData({ processId: 7, secret: Buffer.from([0, 0, 0, 9]) }),
      encodeRowDescription([
        {
          name: 'n',
          tableOid: 3_000_000_000,
          columnNumber: 1,
          typeOid: 23,
          typeSize: 4,
          typeModifier: -1,
          format: 0,
        },
      ]),
      encodeDataRow([Buffer.from('1'), null]),
      encodeCommandComplete('SELECT 1'),
      encodeErrorResponse(new SqlError({ code: '0A000', message: 'no', hint: 'how', position: 3 })),
      encodeNotice('WARNING', '25001', 'already'),
      PARSE_COMPLETE,
      BIND_COMPLETE,
      NO_DATA,
      PORTAL_SUSPENDED,
      EMPTY_QUERY_RESPONSE,
      READY_FAILED,
    ];
    const seen: Record<string, unknown>[] = [];
    await parseStream(Readable.from(sent) as NodeJS.ReadableStream, (message) => {
      seen.push(message as unknown as Record<string, unknown>);
    });
    expect(seen).toMatchObject([
      { name: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256'] },
      { name: 'authenticationMD5Password', salt: Buffer.from('salt') },
      { name: 'authenticationOk' },
      { name: 'parameterStatus', parameterName: 'TimeZone', parameterValue: 'UTC' },
      { name: 'backendKeyData', processID: 7, secretKey: 9 },
      { name: 'rowDescription', fields: [{ name: 'n', tableID: 3_000_000_000, dataTypeID: 23 }] },
      { name: 'dataRow', fields: ['1', null] },
      { name: 'commandComplete', text: 'SELECT 1' },
      {
        name: 'error',
        code: '0A000',
        message: 'no',
        hint: 'how',
        position: '3',
        severity: 'ERROR',
      },
      { name: 'notice', code: '25001', message: 'already' },
      { name: 'parseComplete' },
      { name: 'bindComplete' },
      { name: 'noData' },
      { name: 'portalSuspended' },
      { name: 'emptyQuery' },
      { name: 'readyForQuery', status: 'E' },
    ]);
  });

  it('writes what we read', () => {
    expect(serialize.query('select 1')).toEqual(encodeQuery('select 1'));
    expect(serialize.password('pw')).toEqual(encodePassword('pw'));
    expect(serialize.copyFail('why')).toEqual(encodeCopyFail('why'));
    expect(serialize.end()).toEqual(TERMINATE);
    const initial = serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=*,r=x');
    expect(decodeSaslInitialResponse(bodyOf(initial, FRONTEND.password))).toEqual({
      mechanism: 'SCRAM-SHA-256',
      data: Buffer.from('n,,n=*,r=x'),
    });
  });
});
