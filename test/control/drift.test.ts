// Drift at start: tables that belong on every shard and are not there, or not alike.

import { describe, expect, it } from 'vitest';
import { driftOf } from '../../src/control/drift.ts';
import type { ShardSchema } from '../../src/control/shard-schema.ts';
import { testCatalog } from '../plan/catalog.ts';

/** The catalog's tables as a shard would have them, but for what `change` takes away. */
function schemaOf(change: (table: string, columns: string[]) => string[] | null): ShardSchema {
  const relations = [...testCatalog().tables()].flatMap(({ schema, name, columns }, oid) => {
    const types = new Map(columns.map((column) => [column.name, column.typeOid]));
    const names = change(
      name,
      columns.map((column) => column.name),
    );
    if (names === null) return [];
    const facts = { collation: null, notNull: false };
    const made = names.map((each) => ({
      name: each,
      typeOid: types.get(each) ?? 20,
      ...facts,
      generated: false,
      hasDefault: false,
      constantDefault: false,
      distinctDefault: false,
      sequenceDefault: false,
      identity: false,
      timeDefault: null,
      defaultType: null,
    }));
    const rest = {
      reads: [],
      rule: null,
      runsCode: false,
      calls: [],
      fired: [],
      triggers: [],
      firesOnTruncate: false,
      actions: [],
      rowSecurity: false,
    };
    return [{ oid, schema, name, kind: 'r', columns: made, ...rest }];
  });
  const collation = { provider: 'c', collate: 'C', locale: null };
  return {
    relations,
    routines: [],
    foreign: [],
    immutable: {},
    ownAggregates: [],
    standIns: [],
    systemNames: [],
    searchPath: ['public'],
    restricted: { schemas: {}, members: [], superusers: [] },
    transactionDefaults: { isolation: ['read committed'], readOnly: ['off'] },
    collation,
    hasSizes: true,
    hasStatistics: true,
    hasKinds: true,
    kinds: {},
    sequences: [],
  };
}

describe('Drift', () => {
  it('is none where the spread tables are alike, whatever home tables are', () => {
    expect(
      driftOf(
        testCatalog(),
        1,
        schemaOf((name, all) => (name === 'audit' ? null : all)),
      ),
    ).toEqual([]);
  });

  it('is a table that the shard lacks', () => {
    const schema = schemaOf((name, all) => (name === 'country' ? null : all));
    expect(driftOf(testCatalog(), 1, schema)).toEqual([
      'shard 1 lacks the reference table public.country: see drive doctor',
    ]);
  });

  it('is a column too few or too many', () => {
    for (const columns of [['user_id'], ['user_id', 'note', 'more']]) {
      const schema = schemaOf((name, all) => (name === 'loose' ? columns : all));
      expect(driftOf(testCatalog(), 2, schema)).toEqual([
        'table public.loose has other columns on shard 2: see drive doctor',
      ]);
    }
  });

  it('is a column of another type, or in another place', () => {
    const reversed = schemaOf((name, all) => (name === 'loose' ? [...all].reverse() : all));
    expect(driftOf(testCatalog(), 2, reversed)).toEqual([
      'table public.loose has its columns in another order on shard 2: see drive doctor',
    ]);
    const { relations, ...rest } = schemaOf((_, all) => all);
    const retyped = relations.map((each) =>
      each.name === 'loose'
        ? { ...each, columns: each.columns.map((column) => ({ ...column, typeOid: 16 })) }
        : each,
    );
    expect(driftOf(testCatalog(), 2, { relations: retyped, ...rest })).toEqual([
      expect.stringMatching(/^table public\.loose has another type of column ".*" on shard 2/),
    ]);
  });
});
