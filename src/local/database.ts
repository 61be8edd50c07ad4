// Roles and databases of a local server, made where they are missing.

import { Client } from '../base/pg.ts';
import type { Shard } from '../topology/shard.ts';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** Makes the shard's role, with all rights that the proxy can use, and its database, unless they are there. */
export async function ensureDatabase(shard: Shard, superuser: Login): Promise<void> {
  await withClient({ ...shard, ...superuser, database: 'postgres' }, async (client) => {
    const role = client.escapeIdentifier(shard.user);
    const roles = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [shard.user]);
    if (roles.rowCount === 0) {
      const password = client.escapeLiteral(shard.password);
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${password}`);
      // By it rows move between shards without what their triggers do to rows that come and go.
      await client.query(`GRANT SET ON PARAMETER session_replication_role TO ${role}`);
    }
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [
      shard.database,
    ]);
    if (found.rowCount === 0) {
      await client.query(
        `CREATE DATABASE ${client.escapeIdentifier(shard.database)} OWNER ${role}`,
      );
    }
  });
}

/**
 * Makes an empty database that lends its name: clients of the proxy that look for theirs in
 * pg_database (pgAdmin's and DBeaver's trees) find it there, and connect by that name to the proxy.
 * Nobody is meant to connect to it on the server itself.
 */
export async function ensureName(name: string, shard: Shard, superuser: Login): Promise<void> {
  await withClient({ ...shard, ...superuser, database: 'postgres' }, async (client) => {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount !== 0) return;
    const [database, role] = [name, shard.user].map((each) => client.escapeIdentifier(each));
    await client.query(`CREATE DATABASE ${database} OWNER ${role} CONNECTION LIMIT 0`);
    await client.query(`COMMENT ON DATABASE ${database} IS 'all shards, through the proxy'`);
  });
}

/** Drops a database, ending the sessions that use it. */
export async function dropDatabase(shard: Shard, superuser: Login): Promise<void> {
  await withClient({ ...shard, ...superuser, database: 'postgres' }, async (client) => {
    const name = client.escapeIdentifier(shard.database);
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}

async function withClient(shard: Shard, work: (client: Client) => Promise<void>): Promise<void> {
  const { host, port, database, user, password } = shard;
  const client = new Client({ host, port, database, user, password });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
