// GET /, /stats and /health/…: what the cluster is, how full, and whether it works.

import type { App } from './app.ts';
import type { Database } from './database.ts';
import { Failure, Stats, Status } from './schema.ts';
import { clusterHealth, statistics } from './shards.ts';
import { Type } from './typebox.ts';

const SERVICE = 'Drive Clone: sharded file metadata';

const Live = Type.Object({ status: Type.Literal('alive') });
const Ready = Type.Object({ status: Type.String({ description: '`ready`, or what is wrong.' }) });

/** Adds the routes. */
export function addClusterRoutes(app: App, database: Database): void {
  const tags = ['cluster'];

  app.get(
    '/',
    { schema: { summary: 'The service', tags, response: { 200: Status, 503: Status } } },
    async (_request, reply) => {
      const { shards, trouble } = await clusterHealth(database);
      return reply.code(trouble === null ? 200 : 503).send({
        service: SERVICE,
        status: trouble ?? 'running',
        num_shards: shards?.length ?? null,
      });
    },
  );

  app.get(
    '/stats',
    { schema: { summary: 'Records per shard', tags, response: { 200: Stats, 503: Failure } } },
    async (_request, reply) => reply.send(await statistics(database)),
  );

  app.get(
    '/health/live',
    { schema: { summary: 'Does this process answer?', tags, response: { 200: Live } } },
    async (_request, reply) => reply.send({ status: 'alive' }),
  );

  app.get(
    '/health/ready',
    {
      schema: {
        summary: 'Do the proxy and every shard answer?',
        tags,
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const { trouble } = await clusterHealth(database);
      return reply.code(trouble === null ? 200 : 503).send({ status: trouble ?? 'ready' });
    },
  );
}
