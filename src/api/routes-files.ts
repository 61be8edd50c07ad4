// POST /ingest and GET /query/{user_id}: one record in, one user's records out.

import type { App } from './app.ts';
import type { Database } from './database.ts';
import { filesPage, ingest } from './files.ts';
import { readInput } from './input.ts';
import {
  Failure,
  FileInput,
  Files,
  FilesQuery,
  Ingested,
  InputFailure,
  UserPath,
} from './schema.ts';

const FAILURES = { 422: InputFailure, 503: Failure, 504: Failure } as const;

/** Adds the two routes. */
export function addFileRoutes(app: App, database: Database): void {
  app.post(
    '/ingest',
    {
      schema: {
        summary: 'Write one file record',
        tags: ['files'],
        body: FileInput,
        response: { 200: Ingested, ...FAILURES },
      },
    },
    async (request, reply) => {
      const { user_id, file_name } = readInput(FileInput, 'body', request.body);
      const { id, shardId } = await ingest(database, user_id, file_name);
      request.shard = shardId;
      return reply.send({
        success: true,
        message: `File ingested into shard ${shardId}`,
        data: { record_id: id, user_id, file_name, shard_id: shardId },
      });
    },
  );

  app.get(
    '/query/:user_id',
    {
      schema: {
        summary: "One user's files, newest first, by pages",
        tags: ['files'],
        params: UserPath,
        querystring: FilesQuery,
        response: { 200: Files, ...FAILURES },
      },
    },
    async (request, reply) => {
      const { user_id } = readInput(UserPath, 'path', request.params);
      const { limit, before } = readInput(FilesQuery, 'query', request.query);
      const page = await filesPage(database, user_id, limit, before);
      request.shard = page.shardId;
      return reply.send({
        success: true,
        user_id,
        shard_id: page.shardId,
        file_count: page.fileCount,
        files: page.files,
        next: page.next,
      });
    },
  );
}
