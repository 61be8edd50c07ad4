// Prisma's schema engine as a program: what its command line downloads, made of the WebAssembly npm has.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { engineAdapter } from './prisma-adapter.ts';

/** One a line, by JSON-RPC over the standard streams, as the command line asks the binary. */
interface Request {
  readonly id: number;
  readonly method: string;
  readonly params?: object;
}

interface Datasource {
  readonly url: string;
  readonly shadowDatabaseUrl?: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    datamodels: { type: 'string', multiple: true },
    datasource: { type: 'string' },
    'enabled-preview-features': { type: 'string' },
    'extension-types': { type: 'string' },
  },
});
const { url, shadowDatabaseUrl } = JSON.parse(values.datasource ?? '{}') as Datasource;

if (positionals[0] === 'cli') await once(positionals[1]!);
else await serve();

/** `can-connect-to-database` and `create-database`: of one that is there already. */
async function once(command: string): Promise<void> {
  const client = new pg.Client(url);
  try {
    await client.connect();
  } catch (error) {
    tellLog('ERROR', `${command}: ${(error as Error).message}`, 'P1001');
    process.exitCode = 1;
  } finally {
    await client.end();
  }
}

/** Its log is JSON, a line each, of which the first is left unread. */
function tellLog(level: string, message: string, code: string): void {
  const fields = { message, error_code: code };
  process.stderr.write(`\n${JSON.stringify({ level, fields, target: 'schema_engine::logger' })}\n`);
}

async function serve(): Promise<void> {
  const { factory, pool } = engineAdapter({ connectionString: url, max: 2 });
  const shadows: pg.Pool[] = [];
  factory.connectToShadowDb = () => shadow(shadows);
  const datamodels = (values.datamodels ?? []).map((path): [string, string] => [
    path,
    readFileSync(path, 'utf8'),
  ]);
  const engine = await SchemaEngine.new(
    { datamodels },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    const answer = await answerOf(engine, request);
    process.stdout.write(`${JSON.stringify({ id: request.id, jsonrpc: '2.0', ...answer })}\n`);
  }
  engine.free();
  for (const each of [pool, ...shadows]) if (!each.ended) await each.end();
}

/** The database that is for this alone, emptied. */
async function shadow(shadows: pg.Pool[]) {
  if (shadowDatabaseUrl === undefined) throw new Error('there is no shadow database');
  const { factory, pool } = engineAdapter({ connectionString: shadowDatabaseUrl, max: 2 });
  shadows.push(pool);
  await pool.query('DROP SCHEMA public CASCADE');
  await pool.query('CREATE SCHEMA public');
  return factory.connect();
}

async function answerOf(engine: SchemaEngine, { method, params }: Request): Promise<object> {
  try {
    const name = method === 'getDatabaseVersion' ? 'version' : method;
    const run = engine[name as 'version'] as (input?: object) => Promise<unknown>;
    return { result: (await run.call(engine, params)) ?? null };
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    const data = { is_panic: false, message, error_code: code };
    return {
      error: { code: 4466, message: 'An error happened. Check the data field for details.', data },
    };
  }
}
