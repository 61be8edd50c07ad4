// POST /ingest/bulk and GET, DELETE /ingest/bulk/{job}: many records at once, watched and cancelled.

import { Readable } from 'node:stream';
import type { App } from './app.ts';
import type { BulkJob, BulkJobs } from './bulk-jobs.ts';
import { NDJSON, progressLines } from './bulk-stream.ts';
import type { FastifyReply, FastifyRequest } from './fastify.ts';
import { readInput } from './input.ts';
import { BulkDone, BulkPath, BulkQuery, BulkState, Failure, InputFailure } from './schema.ts';

/** A client that hangs up before its answer is complete cancels its bulk. */
function cancelOnHangUp(reply: FastifyReply, job: BulkJob): void {
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) job.cancel();
  });
}

function wantsStream(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '').includes(NDJSON);
}

/** RFC 7240: the client does not wait; it is told where to look. */
function wantsNoWait(request: FastifyRequest): boolean {
  return /(?:^|[,\s])respond-async(?:$|[,;\s])/i.test(String(request.headers.prefer ?? ''));
}

async function whenDone(job: BulkJob) {
  await job.ended;
  const failure = job.failure();
  if (failure !== null) throw failure;
  const { inserted, distribution, elapsed_ms } = job.progress();
  const message = `Inserted ${inserted} ${inserted === 1 ? 'record' : 'records'}`;
  return {
    success: true as const,
    message,
    distribution,
    total: inserted,
    job: job.id,
    elapsed_ms,
  };
}

/** Adds the routes. */
export function addBulkRoutes(app: App, bulks: BulkJobs): void {
  addBulkStart(app, bulks);
  addBulkWatch(app, bulks);
}

const TAGS = ['files'];

function addBulkStart(app: App, bulks: BulkJobs): void {
  app.post(
    '/ingest/bulk',
    {
      schema: {
        summary: 'Write many records, all or nothing',
        description:
          'Answers when all is written. With `Accept: application/x-ndjson` progress comes line ' +
          'by line; with `Prefer: respond-async` the answer is 202 and progress is to be asked ' +
          'for. A client that hangs up while it waits or watches cancels the bulk.',
        tags: TAGS,
        querystring: BulkQuery,
        response: {
          200: BulkDone,
          202: BulkState,
          422: InputFailure,
          429: Failure,
          503: Failure,
          504: Failure,
        },
      },
    },
    async (request, reply) => {
      const { count } = readInput(BulkQuery, 'query', request.query);
      const job = bulks.start(count);
      const location = `/ingest/bulk/${job.id}`;
      reply.header('location', location);
      if (wantsNoWait(request)) {
        return reply.code(202).header('preference-applied', 'respond-async').send(job.progress());
      }
      cancelOnHangUp(reply, job);
      if (wantsStream(request)) {
        // The schema's type is of the JSON answer; a stream is sent as it is.
        return reply.type(NDJSON).send(Readable.from(progressLines(job)) as never);
      }
      return reply.send(await whenDone(job));
    },
  );
}

function addBulkWatch(app: App, bulks: BulkJobs): void {
  const schema = {
    tags: TAGS,
    params: BulkPath,
    response: { 200: BulkState, 404: Failure, 422: InputFailure },
  } as const;

  app.get(
    '/ingest/bulk/:job',
    { schema: { ...schema, summary: 'How far a bulk is, or how it ended' } },
    async (request, reply) => {
      const { job } = readInput(BulkPath, 'path', request.params);
      return reply.send(bulks.find(job).progress());
    },
  );

  app.delete(
    '/ingest/bulk/:job',
    {
      schema: {
        ...schema,
        summary: 'Cancel a bulk',
        description: 'Answers when it has ended; one that was already committing ends as done.',
      },
    },
    async (request, reply) => {
      const job = bulks.find(readInput(BulkPath, 'path', request.params).job);
      job.cancel();
      await job.ended;
      return reply.send(job.progress());
    },
  );
}
