// Reads of sequences: what pg_dump asks of them is answered for the cluster, not for one shard.

import type { RelationName } from '../sql/statement.ts';
import { tokenize } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import { leafMark } from './engine-plan.ts';
import { engineText, isName, nameOf, type Stand, tableSpan } from './engine-text.ts';
import type { SequencesMerge } from './sequence-merge.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';

const STATES = `'${leafMark(1)}'::jsonb`;

/** What stands for a relation of the catalogs; `places`: it takes those of all sequences. */
interface CatalogStand {
  readonly text: string;
  readonly places: boolean;
}

const CATALOGS: { readonly [schema: string]: { readonly [name: string]: CatalogStand } } = {
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

/** null: the statement reads no sequence that the shards share, or not in a way that can be followed. */
export function planSequenceRead(survey: Survey, context: PlanContext): SequencesMerge | null {
  const { catalog, sql, tokens } = context.input;
  if (!catalog.knowsSequences || !context.mergeable) return null;
  const sequences: string[] = [];
  const callsData = tokens.some((token) => isName(token) && nameOf(token) === DATA_FUNCTION);
  let readsAll = callsData;
  try {
    const stands = new Map<number, Stand>();
    for (const { item } of survey.uses) {
      const { relation, at } = item;
      const sequence = context.sequence(relation);
      const catalogStand = sequence === null ? standOf(relation) : null;
      if (sequence !== null) sequences.push(sequence);
      else if (catalogStand === null) continue;
      readsAll ||= catalogStand?.places === true;
      const span = tableSpan(item, tokens);
      const text = catalogStand?.text ?? rowOf(sequence!);
      stands.set(at, { item, schema: relation.schema, span, text });
    }
    if (stands.size === 0 && !callsData) return null;
    const { sharedNames } = context;
    const text = engineText({ sql, tokens, sharedNames }, [...stands.values()]);
    const marked = callsData ? withData(text) : text;
    return { how: 'sequences', sequences: readsAll ? null : sequences, marked };
  } catch (error) {
    if (!(error instanceof NoMerge)) throw error;
    return null;
  }
}

const standOf = ({ schema, name }: RelationName): CatalogStand | null =>
  CATALOGS[schema ?? 'pg_catalog']?.[name] ?? null;

const rowOf = (sequence: string): string =>
  `(SELECT * FROM drive.sequence_row(${STATES}, '${sequence.replaceAll("'", "''")}'::regclass))`;

function withData(sql: string): string {
  const tokens = tokenize(sql) ?? [];
  let text = '';
  let from = 0;
  for (const [i, token] of tokens.entries()) {
    const bracket = tokens[i + 1];
    if (!isName(token) || nameOf(token) !== DATA_FUNCTION || bracket?.text !== '(') continue;
    const start = tokens[i - 1]?.text === '.' ? tokens[i - 2]!.start : token.start;
    text += `${sql.slice(from, start)}drive.${DATA_FUNCTION}(${STATES}, `;
    from = bracket.end;
  }
  return text + sql.slice(from);
}
