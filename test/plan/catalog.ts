// The catalog that plan tests run against: one table of each kind, and a few that try names.

import { moduloPlacement } from '../../src/topology/placement.ts';
import { SchemaRights } from '../../src/topology/schema-rights.ts';
import type { Catalog, Column, Table } from '../../src/topology/table.ts';
import type { Topology } from '../../src/topology/topology.ts';

const OID = { int8: 20, text: 25, timestamptz: 1184 };

interface ColumnFacts {
  readonly hasDefault?: boolean;
  readonly timeDefault?: string;
  readonly notNull?: boolean;
  readonly identity?: boolean;
  readonly collation?: string;
}

const column = (name: string, type: keyof typeof OID, facts: ColumnFacts = {}): Column => ({
  name,
  typeOid: OID[type],
  collation: facts.collation ?? null,
  hasDefault: facts.hasDefault ?? facts.identity ?? false,
  timeDefault: facts.timeDefault ?? null,
  notNull: facts.notNull ?? false,
  generated: false,
  identity: facts.identity ?? false,
});

const table = (
  name: string,
  kind: Table['kind'],
  keyColumn: string | null,
  columns: readonly Column[],
  schema = 'public',
): Table => ({ schema, name, kind, keyColumn, columns });

const view = (name: string, query: string, columns: readonly Column[]): Table => ({
  ...table(name, 'shardedView', null, columns),
  view: { query, operatorSchemas: [], materialized: false, atHome: false },
});

const TABLES: readonly Table[] = [
  table('file_metadata', 'sharded', 'user_id', [
    column('id', 'int8', { hasDefault: true, notNull: true }),
    column('user_id', 'int8', { notNull: true }),
    column('file_name', 'text'),
    column('created_at', 'timestamptz', { hasDefault: true, timeDefault: 'now()' }),
  ]),
  {
    ...table('users', 'sharded', 'user_id', [
      column('user_id', 'int8', { notNull: true }),
      column('name', 'text'),
      column('country', 'text'),
    ]),
    runsCode: false,
    updatesCascade: false,
    deletesCascade: true,
  },
  table('loose', 'sharded', 'user_id', [column('user_id', 'int8'), column('note', 'text')]),
  table('badges', 'sharded', 'user_id', [
    column('user_id', 'int8', { identity: true, notNull: true }),
    column('number', 'int8', { identity: true, notNull: true }),
    column('note', 'text'),
  ]),
  table('named', 'sharded', 'user_id', [
    column('user_id', 'int8', { notNull: true }),
    column('title', 'text', { collation: 'de-DE-x-icu' }),
  ]),
  table('Odd Name', 'sharded', 'User Id', [
    column('User Id', 'int8', { notNull: true }),
    column('select', 'text'),
  ]),
  {
    ...table('stamped', 'sharded', 'user_id', [
      column('user_id', 'int8', { notNull: true }),
      column('note', 'text'),
    ]),
    keyGivenOn: { insert: true, update: true },
  },
  table('country', 'reference', null, [
    column('code', 'text', { notNull: true }),
    column('name', 'text'),
  ]),
  table('currency', 'reference', null, [
    column('id', 'int8', { identity: true, notNull: true }),
    column('name', 'text'),
    column('made', 'timestamptz', { hasDefault: true, timeDefault: 'now()' }),
  ]),
  table('audit', 'home', null, [column('id', 'int8'), column('note', 'text')]),
  {
    ...table('inbox', 'home', null, [column('id', 'int8'), column('note', 'text')]),
    touchesSharded: true,
  },
  table('users', 'home', null, [column('user_id', 'int8'), column('name', 'text')], 'other'),
  { ...table('watched', 'sharded', 'user_id', [column('user_id', 'int8')]), firesOnTruncate: true },
  view(
    'recent_files',
    ' SELECT id, user_id, file_name FROM public.file_metadata WHERE (created_at > 0);',
    [column('id', 'int8'), column('user_id', 'int8'), column('file_name', 'text')],
  ),
  view(
    'file_counts',
    ' SELECT file_name, count(*) AS n FROM public.file_metadata GROUP BY file_name;',
    [column('file_name', 'text'), column('n', 'int8')],
  ),
  view('first_user', ' SELECT name AS who FROM public.users WHERE (user_id = 1);', [
    column('who', 'text'),
  ]),
  view(
    'noted',
    ' SELECT f.user_id, a.note FROM (public.recent_files f JOIN public.audit a USING (id));',
    [column('user_id', 'int8'), column('note', 'text')],
  ),
  {
    ...table('kept_counts', 'shardedView', null, [column('n', 'int8')]),
    view: {
      query: ' SELECT count(*) AS n FROM public.users;',
      operatorSchemas: [],
      materialized: true,
      atHome: false,
    },
  },
  {
    ...table('kept_at_home', 'home', null, [column('n', 'int8')]),
    view: {
      query: ' SELECT count(*) AS n FROM public.users;',
      operatorSchemas: [],
      materialized: true,
      atHome: true,
    },
  },
  {
    ...table('kept_recent', 'shardedView', null, [column('user_id', 'int8')]),
    view: {
      query:
        ' SELECT user_id FROM public.file_metadata WHERE created_at > (now() - $$1 day$$::interval);',
      operatorSchemas: [],
      materialized: true,
      atHome: false,
    },
  },
  {
    ...table('private', 'sharded', 'user_id', [column('user_id', 'int8'), column('note', 'text')]),
    rowSecurity: true,
  },
  {
    ...table('counted', 'sharded', 'user_id', [column('user_id', 'int8'), column('n', 'int8')]),
    reachesOn: [
      { insert: true, update: false, delete: false, columns: null, reaches: 'copy' },
      { insert: false, update: true, delete: false, columns: ['user_id'], reaches: 'copy' },
      { insert: false, update: true, delete: false, columns: ['n'], reaches: 'beyond' },
    ],
  },
  {
    ...table('tariff', 'reference', null, [column('code', 'text'), column('rate', 'int8')]),
    copyTriggers: { fires: true, changesRows: true, named: false },
  },
  {
    ...table('parted', 'sharded', 'user_id', [column('user_id', 'int8'), column('note', 'text')]),
    partitioned: true,
  },
  {
    ...table('audited', 'shardedView', null, [column('id', 'int8'), column('note', 'text')]),
    view: {
      query:
        ' SELECT f.id, a.note FROM (public.file_metadata f JOIN public.audit a ON ((a.id = f.id)));',
      operatorSchemas: [],
      materialized: false,
      atHome: true,
    },
  },
  ...['', ' AND (created_at < now())'].map((more, i): Table => {
    const query = ` SELECT count(*) AS n FROM public.file_metadata WHERE ((folder, id) IN ( SELECT code, rate FROM public.tariff)${more});`;
    const made = view(`gis_${i}`, query, [column('n', 'int8')]);
    return { ...made, view: { ...made.view!, operatorSchemas: ['gis'] } };
  }),
  view('private_count', ' SELECT count(*) AS n FROM public.private;', [column('n', 'int8')]),
  view(
    'fresh_files',
    " SELECT id, user_id FROM public.file_metadata WHERE (created_at > (now() - interval '1 day'));",
    [column('id', 'int8'), column('user_id', 'int8')],
  ),
  view(
    'fresher_files',
    ' SELECT f.id, CURRENT_DATE AS "on" FROM public.fresh_files f WHERE (f.user_id > 3);',
    [column('id', 'int8'), column('on', 'text')],
  ),
  view('private_now', ' SELECT user_id, now() AS now FROM public.private;', [
    column('user_id', 'int8'),
    column('now', 'timestamptz'),
  ]),
  { ...table('locked', 'shardedView', null, [column('id', 'int8')]), view: undefined },
];

const SEARCH_PATH: readonly string[] = ['public'];

/** `sortsTextByBytes`: what the shards' default collation is; the C collation unless said. */
export function testCatalog(sortsTextByBytes = true): Catalog {
  return {
    sortsTextByBytes,
    searchPath: SEARCH_PATH,
    schemaRights: new SchemaRights({ schemas: {}, members: [], superusers: [] }),
    transactionDefaults: { isolation: 'read committed', mayBeReadOnly: false },
    table(schema, name, searchPath = SEARCH_PATH) {
      const schemas = schema === null ? searchPath : [schema];
      for (const each of schemas) {
        const found = TABLES.find((t) => t.schema === each && t.name === name);
        if (found !== undefined) return found;
      }
      return null;
    },
    tables: () => TABLES,
    defaultKey: 'user_id',
    remembersKinds: true,
    knowsSequences: true,
    knowsSizes: true,
    knowsStatistics: true,
    sequence: (schema, name) =>
      name === 'tickets' && (schema ?? 'public') === 'public' ? 'public.tickets' : null,
    configured: (_schema, name) =>
      name === 'configured' ? { kind: 'home', keyColumn: null } : null,
    newTable: (_schema, _name, columns) =>
      columns.some(({ name, isInteger }) => name === 'user_id' && isInteger)
        ? { kind: 'sharded', keyColumn: 'user_id' }
        : { kind: 'home', keyColumn: null },
    routineTouchesSharded: (name) => name === 'archive_files',
    hasRoutine: (name) => ['archive_files', 'become', 'json_note', 'cutoff', 'late'].includes(name),
    scalarRoutines: new Map([
      ['slug', { mayBeText: true }],
      ['likeness', { mayBeText: false }],
    ]),
    settingRoutines: {
      names: new Set(['become']),
      byTriggers: false,
      unseen: false,
      paths: { session: new Set(), local: new Set() },
    },
    stateRoutines: new Map(),
    rememberingRoutines: new Set(),
    makingRoutines: new Set(),
    textRoutines: new Set(),
    notifiesOnRows: false,
    timeRoutines: { telling: new Set(['cutoff', 'late']), steady: new Set(['cutoff']) },
    ownAggregates: new Set(),
    standIns: new Set(['mine']),
  };
}

export function testTopology(shardCount = 4, sortsTextByBytes = true): Topology {
  const shards = Array.from({ length: shardCount }, (_, id) => ({
    id,
    host: '127.0.0.1',
    port: 5432 + id,
    database: 'drive',
    user: 'drive',
    password: 'secret',
  }));
  return {
    version: 1,
    shards,
    placement: moduloPlacement(shardCount),
    catalog: testCatalog(sortsTextByBytes),
  };
}
