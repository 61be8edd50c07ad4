// The configuration file's schema: every setting with its default, its unit and the reason.

import Type, { type Static, type TProperties, type TSchema } from 'typebox';
import { Default, Errors } from 'typebox/value';
import { SHARDS_MAX, WORKERS_MAX } from '../base/limits.ts';
import { SSL_MODES } from '../topology/shard.ts';

/** A section: unknown names are errors, a missing section has all its defaults. */
function section<P extends TProperties>(description: string, properties: P) {
  return Type.Object(properties, { description, additionalProperties: false, default: {} });
}

const port = (description: string, given: { default?: number } = {}) =>
  Type.Integer({ description, minimum: 0, maximum: 65_535, ...given });

const text = (description: string, given: { default?: string; minLength?: number } = {}) =>
  Type.String({ description, minLength: 1, ...given });

const count = (description: string, given: { default: number; minimum?: number }) =>
  Type.Integer({ description, minimum: 1, maximum: Number.MAX_SAFE_INTEGER, ...given });

const milliseconds = (description: string, given: { default: number }) =>
  Type.Integer({ description, minimum: 1, maximum: 2_147_483_647, ...given });

/** Off by default: PostgreSQL's own timeouts are, too. */
const timeout = (description: string) =>
  Type.Integer({
    description: `${description}; 0: never`,
    minimum: 0,
    maximum: 2_147_483_647,
    default: 0,
  });

const Shard = Type.Object(
  {
    host: text('host name or address', { default: '127.0.0.1' }),
    port: port('PostgreSQL port; its own default', { default: 5432 }),
    database: Type.Optional(text('database name; `drive_shard_<n>` if not given')),
    user: text('role that owns the tables there', { default: 'shard_user' }),
    password: text('its password', { default: 'shard_pass', minLength: 0 }),
    poolSize: Type.Optional(
      Type.Integer({
        description: 'connections of the proxy to it; `pool.size` if not given',
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
      }),
    ),
    poolMode: Type.Optional(
      Type.Enum(['transaction', 'session'], {
        description:
          'as `pool.mode`, for clients that connect to its database by name; a mode of their user ' +
          'comes first; `pool.mode` if not given',
      }),
    ),
    sslmode: Type.Enum([...SSL_MODES], {
      description:
        'how connections are encrypted, as libpq has it; `verify-full` also makes sure that it is ' +
        'this host',
      default: 'prefer',
    }),
    sslrootcert: Type.Optional(
      text(
        'path of the certificate authorities (PEM) that its certificate must come from; `system`: ' +
          'those that browsers trust',
      ),
    ),
    sslcert: Type.Optional(text("path of the proxy's certificate for it (PEM)")),
    sslkey: Type.Optional(text("path of that certificate's key (PEM)")),
  },
  { additionalProperties: false },
);

const Table = Type.Object(
  {
    kind: Type.Enum(['sharded', 'reference', 'home'], {
      description:
        '`sharded`: rows live on the shard of their key; `reference`: a copy on every shard; ' +
        '`home`: only on shard 0',
    }),
    key: Type.Optional(text('the sharding key column, if it is not `sharding.key`')),
  },
  { additionalProperties: false },
);

const User = Type.Object(
  {
    name: text('the name clients log in with'),
    poolMode: Type.Optional(
      Type.Enum(['transaction', 'session'], {
        description: 'as `pool.mode`, for this user; that if not given',
      }),
    ),
    clientsMax: Type.Optional(
      Type.Integer({
        description: 'connections of this user at once; only `proxy.clientsMax` if not given',
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
      }),
    ),
    password: Type.Optional(
      text(
        'plain, or a `SCRAM-SHA-256$…` or `md5…` verifier as in pg_authid; may be left out where ' +
          '`proxy.auth` is `cert`',
      ),
    ),
    commonNames: Type.Optional(
      Type.Array(text('a name in certificates'), {
        description: 'the CNs of the client certificates that are this user; its name if not given',
      }),
    ),
  },
  { additionalProperties: false },
);

const Tls = Type.Object(
  {
    cert: text('path of the certificate chain (PEM)'),
    key: text('path of the private key (PEM)'),
    required: Type.Boolean({ description: 'turn clients without TLS away', default: false }),
    clientCa: Type.Optional(
      text('path of the authorities (PEM) that client certificates must come from'),
    ),
    clientCert: Type.Enum(['optional', 'verify-ca', 'verify-full'], {
      description:
        'whether clients must have one in addition to their password: `verify-ca` any from those ' +
        'authorities, `verify-full` one of the user',
      default: 'optional',
    }),
  },
  { additionalProperties: false },
);

/** As in pgbouncer, but that roles past their time or without LOGIN have no password. */
const AUTH_QUERY =
  'SELECT rolname, CASE WHEN rolcanlogin AND (rolvaliduntil IS NULL OR rolvaliduntil > now()) ' +
  'THEN rolpassword END FROM pg_authid WHERE rolname = $1';

const AuthQuery = Type.Object(
  {
    query: text('gives one row for the name `$1`: the name and the password or its verifier', {
      default: AUTH_QUERY,
    }),
    user: Type.Optional(text("the role that asks; the shard's `user` if not given")),
    password: Type.Optional(text('its password')),
    cacheMs: Type.Integer({
      description: 'an answer is used again for, in ms; 0: never',
      minimum: 0,
      maximum: 2_147_483_647,
      default: 30_000,
    }),
  },
  { additionalProperties: false },
);

const ProxySection = section('What clients connect to.', {
  host: text('address to listen on; this machine only, until you decide otherwise', {
    default: '127.0.0.1',
  }),
  port: port("pgbouncer's number, so that clients of a pooler need not change; 0: any free port", {
    default: 6432,
  }),
  database: text('the one database name that clients see', { default: 'drive' }),
  users: Type.Array(User, {
    description: 'who may log in',
    minItems: 1,
    default: [{ name: 'shard_user', password: 'shard_pass' }],
  }),
  admins: Type.Optional(
    Type.Array(text('a name of `proxy.users`'), {
      description: 'who may use the console, database `admin`; the first user if not given',
    }),
  ),
  auth: Type.Enum(['scram-sha-256', 'md5', 'cert'], {
    description:
      'how clients prove who they are; md5 only for drivers without SCRAM; `cert`: by a ' +
      'certificate alone',
    default: 'scram-sha-256',
  }),
  authQuery: Type.Optional(
    Type.Object(AuthQuery.properties, {
      ...AuthQuery,
      description: 'asks the home shard for users that are not in `proxy.users`; off if not given',
    }),
  ),
  trust: Type.Array(text('an address or a CIDR block'), {
    description: 'clients let in without a password; by default nobody',
    default: [],
  }),
  tls: Type.Optional(Type.Object(Tls.properties, { ...Tls, description: 'off if not given' })),
  workers: Type.Optional(
    Type.Integer({
      description:
        'processes that share the port and its clients; if not given, one per core with 8 connections ' +
        'or more to each shard; 0: all in one process, which cannot be restarted; `drive up`: 0',
      minimum: 0,
      maximum: WORKERS_MAX,
    }),
  ),
  drainTimeoutMs: milliseconds(
    'after a restart, clients may stay with the old workers for, in ms; then they are ended: 57P01',
    { default: 60_000 },
  ),
  clientsMax: count(
    'client connections at once, to bound memory; more than any pool serves at a time',
    { default: 2_000 },
  ),
  authTimeoutMs: milliseconds("time to log in, in ms; PostgreSQL's authentication_timeout", {
    default: 60_000,
  }),
  statementTimeoutMs: timeout('a statement is cancelled after, in ms: 57014'),
  idleInTransactionTimeoutMs: timeout(
    'a client that says nothing in an open transaction is ended after, in ms: 25P03',
  ),
  idleTimeoutMs: timeout(
    'a client that says nothing outside of a transaction is ended after, in ms: 57P05',
  ),
});

const Pool = section('Connections of the proxy to each shard.', {
  mode: Type.Enum(['transaction', 'session'], {
    description:
      'how long a client has a connection for itself: `transaction` as short as can be, `session` ' +
      'from its first statement there to its end',
    default: 'transaction',
  }),
  size: count(
    "per shard, of all workers together; PostgreSQL's own max_connections is 100, and some are for " +
      'others. Commits of many connections are flushed to the disk together',
    { default: 80 },
  ),
  groupMax: count(
    'small INSERTs of several clients that are committed in one transaction at most, see ' +
      'decisions/2026-11-29-group-commit.md; 1: each in its own',
    { default: 32 },
  ),
  waitTimeoutMs: milliseconds("wait for a free one, in ms; pgbouncer's query_wait_timeout", {
    default: 120_000,
  }),
  idleTimeoutMs: milliseconds("an unused one is closed after, in ms; pgbouncer's too", {
    default: 600_000,
  }),
  lifetimeMs: milliseconds('a used one is replaced after, in ms: its caches only grow', {
    default: 3_600_000,
  }),
  connectTimeoutMs: milliseconds('wait for a shard to answer, in ms; far above a round trip', {
    default: 5_000,
  }),
  checkAfterMs: Type.Integer({
    description:
      'one that was idle for so long is checked before it is used, in ms, so that what a firewall ' +
      'has dropped is not; 0: never',
    minimum: 0,
    maximum: 2_147_483_647,
    default: 30_000,
  }),
});

const Merge = section('Bounds of a statement that merges rows of several shards.', {
  rowsMax: count('rows kept by one statement (groups, sorts, DISTINCT)', { default: 1_000_000 }),
  bytesMax: count('bytes kept by one statement; some statements at once fit in a small machine', {
    default: 256 * 1024 * 1024,
  }),
  spillBytesMax: count(
    'bytes one statement copies to temporary tables of one server; a part of its disk',
    { default: 4 * 1024 * 1024 * 1024 },
  ),
  inlineRowsMax: count(
    'rows of one table on one shard that are copied as parameters, without a temporary table; reading ' +
      'so many in vain, where there are more, takes a millisecond or two. 0: none',
    { default: 2_000, minimum: 0 },
  ),
});

const Api = section('The REST API and how it reaches the proxy.', {
  host: text('address to listen on', { default: '127.0.0.1' }),
  port: port('HTTP port; 0: any free port', { default: 8000 }),
  proxyHost: text('where the proxy is', { default: '127.0.0.1' }),
  proxyPort: Type.Optional(port('its port; `proxy.port` if not given')),
  user: Type.Optional(text('whom to log in as; the first of `proxy.users` if not given')),
  password: Type.Optional(text("that user's password; from `proxy.users` if it is plain there")),
  database: Type.Optional(text('`proxy.database` if not given')),
  sslmode: Type.Optional(
    Type.Enum(['disable', 'require', 'verify-ca', 'verify-full'], {
      description:
        "as a shard's; if not given, `require` where `proxy.tls.required` is set and `disable` " +
        'elsewhere',
    }),
  ),
  sslrootcert: Type.Optional(text("as a shard's")),
  sslcert: Type.Optional(text("path of the API's certificate for the proxy (PEM)")),
  sslkey: Type.Optional(text("path of that certificate's key (PEM)")),
  poolSize: count('connections to the proxy: requests that run at once', { default: 20 }),
});

const Metrics = Type.Object(
  {
    host: text('address to listen on', { default: '127.0.0.1' }),
    port: port("HTTP port of `/metrics`; pgbouncer exporters' number; 0: any free port", {
      default: 9127,
    }),
  },
  { additionalProperties: false },
);

const Log = section('The log on standard error.', {
  level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    description: 'the least severe level that is written',
    default: 'info',
  }),
  pretty: Type.Boolean({ description: 'lines for people instead of JSON', default: false }),
});

/** The file as a whole; all of it may be left out. */
const ConfigSchema = section('', {
  shards: Type.Array(Shard, {
    description: 'the shards in their order; their number decides where rows live',
    maxItems: SHARDS_MAX,
    default: [],
  }),
  sharding: section('Which tables are spread over the shards.', {
    key: text('a table with a column of this name is sharded by it', { default: 'user_id' }),
    tables: Type.Record(Type.String(), Table, {
      description: 'exceptions, by `name` or `schema.name`; other tables are `home`',
      default: {},
    }),
  }),
  proxy: ProxySection,
  pool: Pool,
  merge: Merge,
  api: Api,
  metrics: Type.Optional(
    Type.Object(Metrics.properties, {
      ...Metrics,
      description: 'Metrics of the proxy for Prometheus; off if the section is not given.',
    }),
  ),
  log: Log,
});

/** The file's content once defaults are filled in. */
export type ConfigContent = Static<typeof ConfigSchema>;

/** What a JSON schema says about one place; the part of it that this project uses. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** The schema as plain data. */
export const configNode: SchemaNode = ConfigSchema;

/** `content` with the defaults of everything that is missing; what is wrong in it stays. */
export function fillDefaults(content: unknown): unknown {
  return Default(ConfigSchema as TSchema, structuredClone(content));
}

/** One disagreement of a value with the schema; `path` as in `proxy.users[0].name`. */
export interface SchemaFault {
  readonly path: readonly string[];
  readonly keyword: string;
}

/** The first disagreement of `content` with the schema; null if there is none. */
export function schemaFault(content: unknown): SchemaFault | null {
  // An unknown name is reported at its own place first, then at its parent.
  const error = Errors(ConfigSchema as TSchema, content)[0];
  if (error === undefined) return null;
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (error.keyword !== 'required') return { path, keyword: error.keyword };
  const { requiredProperties } = error.params as { requiredProperties: string[] };
  return { path: [...path, requiredProperties[0] as string], keyword: 'required' };
}
