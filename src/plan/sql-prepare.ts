// PREPARE and EXECUTE: prepared statements of SQL, which the session keeps like those of the protocol.

import type { Expression, TypeReference } from '../sql/expression.ts';
import type { UtilityStatement } from '../sql/statement.ts';
import { typeOidOf } from '../value/type-oid.ts';
import type { ExecuteArgument } from './action.ts';
import type { PlanInput } from './context.ts';
import type { Plan } from './plan.ts';
import { refusedFor } from './routed.ts';

/** The statement prepared is planned when it is executed, like one of the protocol. */
export function planPrepare(statement: UtilityStatement, { sql, tokens }: PlanInput): Plan {
  const parameterTypes = statement.parameterTypes.map(oidOf);
  if (parameterTypes.includes(null)) return refusedFor('PREPARE', 'prepareType');
  // PREPARE name [ (type, …) ] AS statement: types contain no word AS.
  const as = tokens.findIndex((token, i) => i > 1 && token.text === 'as');
  const { start } = tokens[as + 1]!;
  return {
    op: 'session',
    verb: 'PREPARE',
    action: {
      action: 'prepare',
      name: statement.name ?? '',
      before: sql.slice(0, start),
      sql: sql.slice(start),
      parameterTypes: parameterTypes as number[],
    },
  };
}

/** null for a type whose oid may differ from shard to shard, or that is none of a parameter. */
function oidOf({ schema, name, isArray }: TypeReference): number | null {
  if (isArray || (schema !== null && schema !== 'pg_catalog')) return null;
  return typeOidOf(name);
}

export function planExecute(statement: UtilityStatement): Plan {
  const args = statement.args.map(argumentOf);
  if (args.includes(null)) return refusedFor('EXECUTE', 'executeArgument');
  return {
    op: 'session',
    verb: 'EXECUTE',
    action: {
      action: 'execute',
      name: statement.name ?? '',
      args: args as ExecuteArgument[],
      before: '',
    },
  };
}

function argumentOf(expression: Expression): ExecuteArgument | null {
  if (expression.kind === 'cast') {
    const inner = expression.arg.kind === 'cast' ? null : argumentOf(expression.arg);
    const cast = expression.type.hasModifier ? null : oidOf(expression.type);
    return inner === null || cast === null ? null : { ...inner, cast };
  }
  if (expression.kind !== 'constant' || expression.type === 'bits') return null;
  return { type: expression.type, text: expression.text };
}
