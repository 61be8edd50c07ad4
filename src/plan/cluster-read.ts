// Cluster reads: what clients ask of sequences and statistics is answered for the cluster, not for one shard.

import type { RelationName } from '../sql/statement.ts';
import type { Catalog } from '../topology/table.ts';
import { type ClusterMerge, SEQUENCE_LEAF, STATISTICS_LEAF } from './cluster-merge.ts';
import type { PlanContext } from './context.ts';
import { withDriveCalls } from './drive-call.ts';
import { leafMark } from './engine-plan.ts';
import { engineText, isName, nameOf, type Stand, tableSpan } from './engine-text.ts';
import { NoMerge } from './splice.ts';
import { type Survey, SYSTEM_COLUMNS } from './survey.ts';

const STATES = `'${leafMark(SEQUENCE_LEAF)}'::jsonb`;
const COUNTED = `'${leafMark(STATISTICS_LEAF)}'::jsonb`;

/** What stands for a relation of the catalogs. */
interface CatalogStand {
  readonly text: string;
  /** It takes the places of all sequences. */
  readonly places: boolean;
}

const SEQUENCES: { readonly [schema: string]: { readonly [name: string]: CatalogStand } } = {
  pg_catalog: {
    pg_sequence: { text: 'drive.pg_sequence()', places: false },
    pg_sequences: { text: `drive.pg_sequences(${STATES})`, places: true },
  },
  information_schema: {
    sequences: { text: 'drive.sequences()', places: false },
    columns: { text: 'drive.columns()', places: false },
  },
};

/** Takes the places as its first argument in schema drive. */
const DATA_FUNCTION = 'pg_get_sequence_data';

const isOfData = (_: string | null, name: string): boolean => name === DATA_FUNCTION;

const STATISTICS = /^pg_stat(?:io)?_(?:all|user)_(?:tables|indexes)$/;
/** Columns of pg_class. */
const ESTIMATES = new Set(['reltuples', 'relpages', 'relallvisible', 'relallfrozen']);

/** null: the statement reads nothing of which the shards have parts, or not in a way that can be followed. */
export function planClusterRead(survey: Survey, context: PlanContext): ClusterMerge | null {
  const { catalog, sql, tokens } = context.input;
  if (!catalog.knowsSequences || !context.mergeable) return null;
  const sequences: string[] = [];
  const statistics = new Set<string>();
  const named = new Set(tokens.flatMap((token) => (isName(token) ? [nameOf(token)] : [])));
  const callsData = named.has(DATA_FUNCTION);
  let readsAll = callsData;
  try {
    const stands = new Map<number, Stand>();
    for (const { item } of survey.uses) {
      const { relation, at } = item;
      const sequence = context.sequence(relation);
      const catalogStand = sequence === null ? standOf(relation) : null;
      const counted = sequence === null && isCounted(relation, named, catalog);
      if (sequence !== null) sequences.push(sequence);
      else if (counted) statistics.add(relation.name);
      else if (catalogStand === null) continue;
      readsAll ||= catalogStand?.places === true;
      const span = tableSpan(item, tokens);
      const counting = `drive.${relation.name}(${COUNTED})`;
      const text = catalogStand?.text ?? (counted ? counting : rowOf(sequence!));
      stands.set(at, { item, schema: relation.schema, span, text });
    }
    if (stands.size === 0 && !callsData) return null;
    const { sharedNames } = context;
    const text = engineText({ sql, tokens, sharedNames }, [...stands.values()]);
    const marked = callsData ? withDriveCalls(text, isOfData, STATES) : text;
    const read = { sequences: readsAll ? null : sequences, statistics: [...statistics] };
    return { how: 'cluster', ...read, marked };
  } catch (error) {
    if (!(error instanceof NoMerge)) throw error;
    return null;
  }
}

const standOf = ({ schema, name }: RelationName): CatalogStand | null =>
  SEQUENCES[schema ?? 'pg_catalog']?.[name] ?? null;

/** What a function gives has no system columns. `named`: all names in the statement. */
function isCounted(
  { schema, name }: RelationName,
  named: ReadonlySet<string>,
  { knowsStatistics }: Catalog,
): boolean {
  if (!knowsStatistics || (schema ?? 'pg_catalog') !== 'pg_catalog') return false;
  if (name !== 'pg_class') return STATISTICS.test(name);
  return !ESTIMATES.isDisjointFrom(named) && SYSTEM_COLUMNS.isDisjointFrom(named);
}

const rowOf = (sequence: string): string =>
  `(SELECT * FROM drive.sequence_row(${STATES}, '${sequence.replaceAll("'", "''")}'::regclass))`;
