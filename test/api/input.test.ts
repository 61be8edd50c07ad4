// What the API refuses as input, and in which words: FastAPI's.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../src/api/app.ts';
import { NO_DATABASE, scriptedApp } from './scripted-app.ts';

let app: App;
beforeAll(async () => {
  ({ app } = await scriptedApp(NO_DATABASE));
});
afterAll(() => app.close());

async function post(payload: string, type = 'application/json') {
  const headers = { 'content-type': type };
  const response = await app.inject({ method: 'POST', url: '/ingest', payload, headers });
  return { status: response.statusCode, body: response.json() };
}

async function get(url: string) {
  const response = await app.inject({ url });
  return { status: response.statusCode, body: response.json() };
}

const MISSING = { msg: 'Field required', type: 'missing' };
const NO_INTEGER = {
  type: 'int_parsing',
  msg: 'Input should be a valid integer, unable to parse string as an integer',
};

describe('POST /ingest', () => {
  test('names every field that is missing', async () => {
    expect(await post('{}')).toEqual({
      status: 422,
      body: {
        detail: [
          { loc: ['body', 'user_id'], ...MISSING },
          { loc: ['body', 'file_name'], ...MISSING },
        ],
      },
    });
  });

  test.each([
    ['"abc"', NO_INTEGER],
    ['""', NO_INTEGER],
    ['"1.5"', NO_INTEGER],
    ['null', { type: 'int_type', msg: 'Input should be a valid integer' }],
    ['true', { type: 'int_type', msg: 'Input should be a valid integer' }],
    ['[]', { type: 'int_type', msg: 'Input should be a valid integer' }],
    [
      '1.5',
      {
        type: 'int_from_float',
        msg: 'Input should be a valid integer, got a number with a fractional part',
      },
    ],
    [
      '9223372036854775808',
      {
        type: 'less_than_equal',
        msg: 'Input should be less than or equal to 9223372036854775807',
      },
    ],
    [
      '-9223372036854775809',
      {
        type: 'greater_than_equal',
        msg: 'Input should be greater than or equal to -9223372036854775808',
      },
    ],
  ])('refuses user_id %s', async (userId, fault) => {
    expect(await post(`{"user_id":${userId},"file_name":"a"}`)).toEqual({
      status: 422,
      body: { detail: [{ loc: ['body', 'user_id'], ...fault }] },
    });
  });

  test.each(['9007199254740993.0', '9.3e18', '1e400'])(
    'refuses user_id %s, whose digits a double has lost',
    async (userId) => {
      const { status, body } = await post(`{"user_id":${userId},"file_name":"a"}`);
      expect(status).toBe(422);
      expect(body.detail).toEqual([
        expect.objectContaining({ loc: ['body', 'user_id'], type: 'int_from_float' }),
      ]);
    },
  );

  test.each([
    ['7', 'string_type'],
    ['null', 'string_type'],
    ['""', 'string_too_short'],
    [JSON.stringify('x'.repeat(1025)), 'string_too_long'],
    ['"a\\u0000b"', 'string_unicode'],
    ['"a\\ud800b"', 'string_unicode'],
  ])('refuses file_name %.20s as %s', async (fileName, type) => {
    const { status, body } = await post(`{"user_id":1,"file_name":${fileName}}`);
    expect(status).toBe(422);
    expect(body.detail).toEqual([expect.objectContaining({ loc: ['body', 'file_name'], type })]);
  });

  test.each(['[]', '"text"', '7', 'true'])('refuses the body %s, no object', async (body) => {
    const answer = await post(body);
    expect(answer.status).toBe(422);
    expect(answer.body.detail).toEqual([
      expect.objectContaining({ loc: ['body'], type: 'model_attributes_type' }),
    ]);
  });

  test.each(['null', ''])('calls the body "%s" missing', async (body) => {
    expect(await post(body)).toEqual({
      status: 422,
      body: { detail: [{ loc: ['body'], ...MISSING }] },
    });
  });

  test('refuses a body that is no JSON, and says where it breaks', async () => {
    expect(await post('{"user_id": 1,}')).toEqual({
      status: 422,
      body: {
        detail: [
          {
            loc: ['body', 14],
            msg: expect.stringContaining('JSON decode error: '),
            type: 'json_invalid',
          },
        ],
      },
    });
  });

  test('refuses a body nested beyond what can be walked', async () => {
    const { status, body } = await post('['.repeat(30_000) + ']'.repeat(30_000));
    expect(status).toBe(422);
    expect(body.detail[0].loc[0]).toBe('body');
  });

  test('refuses another content type with 415', async () => {
    expect(await post('user_id=1', 'application/x-www-form-urlencoded')).toEqual({
      status: 415,
      body: { detail: 'Unsupported Media Type' },
    });
  });

  test.each(['Application/JSON; charset=UTF-8', 'application/vnd.drive+json'])(
    'reads a body of type %s as JSON',
    async (type) => {
      expect((await post('{}', type)).status).toBe(422);
    },
  );

  test('refuses a body past the limit with 413', async () => {
    const payload = JSON.stringify({ user_id: 1, file_name: 'x'.repeat(70_000) });
    expect(await post(payload)).toEqual({
      status: 413,
      body: { detail: 'Request Entity Too Large' },
    });
  });
});

describe('GET /query/{user_id}', () => {
  test.each(['abc', '1.5', '1e3', '%20', '0x10'])('refuses user_id %s', async (userId) => {
    expect(await get(`/query/${userId}`)).toEqual({
      status: 422,
      body: { detail: [{ loc: ['path', 'user_id'], ...NO_INTEGER }] },
    });
  });

  test('refuses user_id past int8', async () => {
    const { status, body } = await get('/query/9223372036854775808');
    expect(status).toBe(422);
    expect(body.detail[0].type).toBe('less_than_equal');
  });

  test.each([
    ['limit=0', 'limit', 'greater_than_equal'],
    ['limit=1001', 'limit', 'less_than_equal'],
    ['limit=ten', 'limit', 'int_parsing'],
    ['before=nonsense', 'before', 'value_error'],
    ['before=', 'before', 'value_error'],
    [`before=${'A'.repeat(201)}`, 'before', 'string_too_long'],
    [
      `before=${Buffer.from('infinity|9223372036854775808').toString('base64url')}`,
      'before',
      'value_error',
    ],
  ])('refuses %s', async (query, field, type) => {
    const { status, body } = await get(`/query/1?${query}`);
    expect(status).toBe(422);
    expect(body.detail).toEqual([expect.objectContaining({ loc: ['query', field], type })]);
  });
});

describe('POST /ingest/bulk', () => {
  test.each([
    ['0', 'greater_than_equal', 'Input should be greater than or equal to 1'],
    ['-5', 'greater_than_equal', 'Input should be greater than or equal to 1'],
    ['10000001', 'less_than_equal', 'Input should be less than or equal to 10000000'],
    ['abc', 'int_parsing', NO_INTEGER.msg],
    ['', 'int_parsing', NO_INTEGER.msg],
  ])('refuses count=%s', async (count, type, msg) => {
    const response = await app.inject({ method: 'POST', url: `/ingest/bulk?count=${count}` });
    expect(response.statusCode).toBe(422);
    expect(response.json()).toEqual({ detail: [{ loc: ['query', 'count'], msg, type }] });
  });
});

describe('paths and methods', () => {
  test.each(['/nothing', '/query', '/query/1/2', '/ingest/bulk/1/2'])('%s is 404', async (url) => {
    expect(await get(url)).toEqual({ status: 404, body: { detail: 'Not Found' } });
  });

  test.each([
    ['GET', '/ingest', 'POST'],
    ['DELETE', '/query/1', 'GET, HEAD'],
    ['POST', '/stats?x=1', 'GET, HEAD'],
    ['PUT', '/ingest/bulk', 'POST'],
    ['PATCH', '/', 'GET, HEAD'],
  ] as const)('%s %s is 405 and says what is allowed', async (method, url, allow) => {
    const response = await app.inject({ method, url });
    expect(response.statusCode).toBe(405);
    expect(response.headers.allow).toBe(allow);
    expect(response.json()).toEqual({ detail: 'Method Not Allowed' });
  });

  test('a path that is not decodable is 400', async () => {
    expect(await get('/query/%zz')).toEqual({ status: 400, body: { detail: 'Bad Request' } });
  });
});
