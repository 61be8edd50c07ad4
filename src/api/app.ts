// The Fastify application: its bounds, its JSON, its log line per request, its routes.

import { randomUUID } from 'node:crypto';
import type { Logger } from '../base/log.ts';
import type { BulkJobs } from './bulk-jobs.ts';
import { answerClientError } from './client-error.ts';
import type { Database } from './database.ts';
import { DOCS_PAGE, fastifySwaggerUi } from './docs-page.ts';
import { jsonRefused, replyWithError } from './error-reply.ts';
import { exactJson, parseExactJson } from './exact-json.ts';
import { createFastify, type FastifyRequest, LogController } from './fastify.ts';
import { API_BODY_BYTES_MAX, API_KEEP_ALIVE_MS, API_REQUEST_TIMEOUT_MS } from './limits.ts';
import { RouteBook } from './no-route.ts';
import { fastifySwagger, OPENAPI } from './openapi.ts';
import { addBulkRoutes } from './routes-bulk.ts';
import { addClusterRoutes } from './routes-cluster.ts';
import { addFileRoutes } from './routes-files.ts';
import type { TypeBoxTypeProvider } from './typebox.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The shard that answered, for the log line; null when none or several did. */
    shard: number | null;
  }
}

/** A request id that a client may choose: printable, short, nothing that forges a log line. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

function requestId(request: { readonly headers: Readonly<Record<string, unknown>> }): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

function createBareApp(log: Logger) {
  return createFastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    genReqId: requestId,
    bodyLimit: API_BODY_BYTES_MAX,
    requestTimeout: API_REQUEST_TIMEOUT_MS,
    keepAliveTimeout: API_KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    frameworkErrors: replyWithError,
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** The application before it listens, with the routes' types. */
export type App = ReturnType<typeof createBareApp>;

function logRequest(request: FastifyRequest, status: number, elapsedMs: number): void {
  const path = request.url.split('?', 1)[0];
  const line = { method: request.method, path, status, shard: request.shard, ms: elapsedMs };
  request.log.info(line, 'request');
}

function useExactJson(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(?:[\w.+-]+\+)?json(?:\s*;|$)/,
    { parseAs: 'string' },
    (_request, body, done) => {
      try {
        // No body at all is a missing one, as with FastAPI, not broken JSON.
        done(null, body === '' ? null : parseExactJson(String(body)));
      } catch (error) {
        done(jsonRefused(error));
      }
    },
  );
  app.setSerializerCompiler(() => exactJson);
  // Handlers read their input themselves: the schemas of routes are for OpenAPI and the types.
  app.setValidatorCompiler(() => () => true);
}

function useRequestLog(app: App): void {
  app.decorateRequest('shard', null);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    logRequest(request, reply.statusCode, Math.round(reply.elapsedTime * 10) / 10);
  });
  app.addHook('onRequestAbort', async (request) => {
    request.log.info({ method: request.method, path: request.url }, 'client hung up');
  });
}

/** Builds the application over a database and its bulks; it owns neither. */
export async function createApp(database: Database, bulks: BulkJobs, log: Logger): Promise<App> {
  const app = createBareApp(log);
  const routes = new RouteBook();
  app.addHook('onRoute', ({ url, method }) => routes.add(url, method));
  useExactJson(app);
  useRequestLog(app);
  app.setErrorHandler(replyWithError);
  app.setNotFoundHandler((request, reply) => routes.refuse(request, reply));
  await app.register(fastifySwagger, OPENAPI);
  await app.register(fastifySwaggerUi, DOCS_PAGE);
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  addFileRoutes(app, database);
  addBulkRoutes(app, bulks);
  addClusterRoutes(app, database);
  return app;
}
