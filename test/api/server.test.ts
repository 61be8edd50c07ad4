// The API as a process sees it: listening, logging, documenting itself, closing.

import { connect, createServer } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { type RunningApi, startApi } from '../../src/api/server.ts';
import type { Logger } from '../../src/base/log.ts';

const PASSWORD = 'never-to-be-logged';

let running: RunningApi | null = null;
afterEach(async () => {
  await running?.close();
  running = null;
});

/** A log whose lines the test can read. */
function readableLog(): { readonly log: Logger; lines(): Record<string, unknown>[] } {
  const chunks: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return {
    log: pino(sink),
    lines: () => chunks.map((chunk) => JSON.parse(chunk) as Record<string, unknown>),
  };
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP port');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

/** Starts the API before a proxy that is not there. */
async function start(log: Logger, port = 0): Promise<string> {
  const api = {
    host: '127.0.0.1',
    port,
    proxyHost: '127.0.0.1',
    proxyPort: await closedPort(),
    user: 'shard_user',
    password: PASSWORD,
    database: 'drive',
    poolSize: 2,
  };
  running = await startApi({ api }, log);
  return `http://127.0.0.1:${running.port}`;
}

describe('without a proxy', () => {
  test('GET / is 503 and says so', async () => {
    const url = await start(readableLog().log);
    const response = await fetch(`${url}/`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ status: 'the proxy does not answer' });
  });

  test('POST /ingest is 503 and may be tried again', async () => {
    const url = await start(readableLog().log);
    const headers = { 'content-type': 'application/json' };
    const body = '{"user_id":1,"file_name":"a"}';
    const response = await fetch(`${url}/ingest`, { method: 'POST', headers, body });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
  });

  test('a bulk is 503', async () => {
    const url = await start(readableLog().log);
    const response = await fetch(`${url}/ingest/bulk?count=5`, { method: 'POST' });
    expect(response.status).toBe(503);
  });
});

describe('the log', () => {
  test('has one line per request, with the id that the client was told', async () => {
    const { log, lines } = readableLog();
    const url = await start(log);
    const response = await fetch(`${url}/health/live?token=in-the-query`);
    await response.text();
    await running?.close();
    const requests = lines().filter(({ msg }) => msg === 'request');
    expect(requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/health/live',
        status: 200,
        shard: null,
        request: response.headers.get('x-request-id'),
      }),
    ]);
  });

  test('never has the password or the query string, even when connecting fails', async () => {
    const { log, lines } = readableLog();
    const url = await start(log);
    await (await fetch(`${url}/query/1?before=in-the-query`)).text();
    await (await fetch(`${url}/stats`)).text();
    await running?.close();
    const text = JSON.stringify(lines());
    expect(text).toContain('ECONNREFUSED');
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain('in-the-query');
  });

  test("keeps a client's request id, and replaces one that could forge lines", async () => {
    const url = await start(readableLog().log);
    const id = async (given: string) => {
      const response = await fetch(`${url}/health/live`, { headers: { 'x-request-id': given } });
      return response.headers.get('x-request-id');
    };
    expect(await id('abc-123')).toBe('abc-123');
    expect(await id('a b"c')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('what is not HTTP', () => {
  async function sent(bytes: string): Promise<string> {
    const url = new URL(await start(readableLog().log));
    const socket = connect(Number(url.port), url.hostname);
    socket.end(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  test('garbage is 400', async () => {
    const answer = await sent('\0\x01garbage\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toMatch(/\{"detail":"Bad Request"\}$/);
  });

  test('headers without end are 431', async () => {
    const answer = await sent(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toMatch(/\{"detail":"Request Header Fields Too Large"\}$/);
  });
});

describe('the documentation', () => {
  test('/openapi.json names every endpoint, int64 as integers', async () => {
    const url = await start(readableLog().log);
    const response = await fetch(`${url}/openapi.json`);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const document = (await response.json()) as {
      openapi: string;
      paths: Record<string, Record<string, unknown>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const endpoints = Object.entries(document.paths).map(
      ([path, methods]) => `${Object.keys(methods).sort().join(',')} ${path}`,
    );
    expect(endpoints.sort()).toEqual([
      'delete,get /ingest/bulk/{job}',
      'get /',
      'get /health/live',
      'get /health/ready',
      'get /query/{user_id}',
      'get /stats',
      'post /ingest',
      'post /ingest/bulk',
    ]);
    expect(JSON.stringify(document)).toContain('"type":"integer","format":"int64"');
  });

  test('/docs is a page that loads nothing from elsewhere', async () => {
    const url = await start(readableLog().log);
    const response = await fetch(`${url}/docs`);
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    const page = await response.text();
    expect(page).toContain('swagger-ui');
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});

describe('starting and stopping', () => {
  test('a port that is taken is an error, and leaves nothing open', async () => {
    const { log } = readableLog();
    const url = await start(log);
    const port = Number(new URL(url).port);
    const first = running;
    await expect(start(log, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    running = first;
  });

  test('closing ends keep-alive connections and refuses new ones', async () => {
    const url = await start(readableLog().log);
    await (await fetch(`${url}/health/live`)).text();
    await running?.close();
    await expect(fetch(`${url}/health/live`)).rejects.toThrow();
  });

  test('closing twice is closing once', async () => {
    await start(readableLog().log);
    await Promise.all([running?.close(), running?.close()]);
    await running?.close();
  });
});
