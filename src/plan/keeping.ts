// Keeping: whether servers can keep a statement, and how its answer comes when they do.

import type {
  DeleteStatement,
  RelationName,
  RowStatement,
  Statement,
  Target,
  UpdateStatement,
} from '../sql/statement.ts';
import { mayTellTime } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import type { AnswerForm, Keeping, ParameterizedSql, RoutedPlan } from './plan.ts';

/** What is known of a routed plan's statement as one that servers keep. */
export function keepingOf(
  statement: Statement,
  plan: RoutedPlan,
  context: PlanContext,
): Pick<RoutedPlan, 'keeping' | 'answers'> {
  const answers = answersOf(statement, plan);
  const { tokens } = context.input;
  const varies = namesItsText(context) || tokens.some(mayTellTime);
  if (answers === null || varies || !isKeepable(statement, context)) {
    return { keeping: 'never', answers: ofQuery(answers, context) };
  }
  const keeping = namesColumns(statement) ? 'anywhere' : 'retried';
  return { keeping, answers: ofQuery(answers, context) };
}

/** That a Query has parameters, which nobody gives, is told of in other words where it is bound. */
const ofQuery = (answers: AnswerForm | null, { input }: PlanContext): AnswerForm | null =>
  input.tokens.some(({ kind }) => kind === 'parameter') ? null : answers;

/** The same once its literals are parameters; null: they cannot be. */
export function keepingWith(keeping: Keeping, form: ParameterizedSql | null): Keeping {
  if (form === null) return 'never';
  return keeping === 'anywhere' && !form.fits ? 'retried' : keeping;
}

/** Rows that are written are known when all is done, and so are those of a WITH that writes. */
function answersOf(statement: Statement, { copy, effect }: RoutedPlan): AnswerForm | null {
  if (copy !== null) return null;
  if (effect === 'read') return 'rows';
  return statement.kind === 'select' && !writesInWith(statement) ? 'rows' : 'returning';
}

const writesInWith = (statement: RowStatement): boolean =>
  statement.with?.tables.some((table) => table.statement.kind !== 'select') === true;

/** Names that tell of the text as its client wrote it, by themselves or by what the server says. */
function namesItsText({ input }: PlanContext): boolean {
  return input.tokens.some(({ kind, text }) => {
    if (kind !== 'word' && kind !== 'name') return false;
    const name = kind === 'name' ? text.slice(1, -1) : text;
    if (Buffer.byteLength(name) >= NAME_BYTES) return true;
    return name === 'current_query' || input.catalog.hasRoutine(name);
  });
}

/**
 * A longer name is cut, and the server says so in a notice each time it reads the text. Source:
 * NAMEDATALEN.
 */
const NAME_BYTES = 64;

function isKeepable(
  statement: Statement,
  context: PlanContext,
): statement is Exclude<RowStatement, { kind: 'merge' }> {
  switch (statement.kind) {
    case 'select':
      return !writesInWith(statement);
    case 'insert':
      return statement.with === null && !runsCode(statement.relation, context);
    case 'update':
    case 'delete':
      return (
        statement.with === null && statement.cursor === null && staysWithin(statement, context)
      );
    default:
      return false;
  }
}

/** Code of users may look at the text that is run, by current_query(). */
const runsCode = (relation: RelationName, context: PlanContext): boolean =>
  context.table(relation)?.runsCode !== false;

/** No foreign key has rows of another table written along, whose triggers may run. */
function staysWithin(
  { kind, relation }: UpdateStatement | DeleteStatement,
  context: PlanContext,
): boolean {
  if (runsCode(relation, context)) return false;
  const table = context.table(relation)!;
  return (kind === 'update' ? table.updatesCascade : table.deletesCascade) === false;
}

/** A column that is added to a table does not change the answer's. */
function namesColumns(statement: Exclude<RowStatement, { kind: 'merge' }>): boolean {
  if (statement.kind !== 'select') return statement.returning.every(isNamed);
  const { body } = statement;
  switch (body.kind) {
    case 'values':
      return true;
    case 'set':
      return namesColumns(body.left);
    default:
      return body.targets.every(isNamed);
  }
}

const isNamed = ({ expression }: Target): boolean => expression.kind !== 'star';
