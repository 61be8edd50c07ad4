// Case files: golden plans as text. A case is a comment, a statement and the plan it must get.

import { readFileSync, writeFileSync } from 'node:fs';

export interface PlanCase {
  /** `#` lines before the statement, without the mark. */
  readonly comment: string;
  readonly sql: string;
  /** The plan's lines, without their indent. */
  readonly plan: string;
}

const PLAN_INDENT = '    ';

/** Cases are divided by empty lines; a plan's lines are indented by four spaces. */
export function readCases(path: string): PlanCase[] {
  return readFileSync(path, 'utf8')
    .split(/\n{2,}/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const lines = block.split('\n').filter((line) => line !== '');
      const comment = lines.filter((line) => line.startsWith('#'));
      const rest = lines.filter((line) => !line.startsWith('#'));
      const plan = rest.filter((line) => line.startsWith(PLAN_INDENT));
      const sql = rest.filter((line) => !line.startsWith(PLAN_INDENT));
      return {
        comment: comment.map((line) => line.slice(1).trim()).join('\n'),
        sql: sql.join('\n'),
        plan: plan.map((line) => line.slice(PLAN_INDENT.length)).join('\n'),
      };
    });
}

export function writeCases(path: string, cases: readonly PlanCase[]): void {
  const prefixed = (text: string, prefix: string) =>
    text.split('\n').map((line) => `${prefix}${line}`);
  const blocks = cases.map(({ comment, sql, plan }) =>
    [...(comment === '' ? [] : prefixed(comment, '# ')), sql, ...prefixed(plan, PLAN_INDENT)].join(
      '\n',
    ),
  );
  writeFileSync(path, `${blocks.join('\n\n')}\n`);
}
