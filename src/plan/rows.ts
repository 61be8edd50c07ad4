// Row statements: SELECT, INSERT, UPDATE, DELETE and MERGE to plans.

import type { RowStatement } from '../sql/statement.ts';
import { type PlanContext, Refusal } from './context.ts';
import { planInsert, surveyInsert } from './insert.ts';
import { planModify, surveyModify } from './modify.ts';
import { uncertainParameters } from './parameter-use.ts';
import type { Plan } from './plan.ts';
import { planReferenceWrite } from './reference-write.ts';
import { refusedPlan } from './routed.ts';
import { planSelect } from './select.ts';
import { planBackend, planSetval, planTableKind } from './select-command.ts';
import { Survey, type SurveyWriting } from './survey.ts';

const surveyWriting: SurveyWriting = (statement, survey, tables) => {
  if (statement.kind === 'insert') surveyInsert(statement, survey, tables);
  else surveyModify(statement, survey, tables);
};

export function planRows(statement: RowStatement, context: PlanContext): Plan {
  const survey = surveyFor(context);
  const { tokens, catalog } = context.input;
  if (tokens.some((token) => token.kind === 'parameter')) {
    context.uncertain = uncertainParameters(statement, catalog);
  }
  try {
    const kind =
      statement.kind === 'select'
        ? (planTableKind(statement) ?? planSetval(statement) ?? planBackend(statement, context))
        : null;
    if (kind !== null && context.mergeable) return kind;
    if (statement.kind === 'select') return planSelect(statement, survey, context);
    const reference = planReferenceWrite(statement, survey, context);
    if (reference !== null) return reference;
    if (statement.kind === 'insert') return planInsert(statement, survey, context);
    return planModify(statement, survey, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(statement.kind.toUpperCase(), error.fields);
  }
}

export function surveyFor(context: PlanContext): Survey {
  return new Survey(context, surveyWriting);
}
