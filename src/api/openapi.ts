// The API's one door to @fastify/swagger: the OpenAPI document, made from the routes' schemas.

import fastifySwagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { VERSION } from '../base/version.ts';

export { fastifySwagger };

/** Title, version and tags of the document. */
export const OPENAPI: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Drive Clone',
      description:
        'File metadata of a drive application, sharded over PostgreSQL by user_id. ' +
        'Integers of format int64 are exact JSON numbers over the whole range of int8: read them ' +
        'with a parser that keeps them so.',
      version: VERSION,
    },
    tags: [
      { name: 'files', description: 'Writing and reading file records' },
      { name: 'cluster', description: 'The shards and their health' },
    ],
  },
};
