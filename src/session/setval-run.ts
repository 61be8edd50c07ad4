// setval() of computed arguments: they are read first, then every shard sets its sequence.

import { quoteLiteral } from '../base/quote.ts';
import { formatAt } from '../execute/parameters.ts';
import type { SetvalMerge } from '../plan/setval-merge.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { encodeValue, rowsEverywhere } from './everywhere.ts';
import { answerGathered } from './portal-rows.ts';
import { readRows, type StagedRun, sourceOf } from './row-source.ts';

const TEXT = [0];

/** Answers as setval() does. Rejects with SqlError and ServerError. */
export async function runSetval(run: StagedRun, { query, call }: SetvalMerge): Promise<void> {
  const { d, execution, description } = run;
  const { set } = await readRows(run, await sourceOf(run, query), { formats: () => TEXT });
  const answers: Buffer[] = [];
  for (const row of set.rows) {
    const values = decodeDataRow(row).map((value) => value?.toString() ?? null);
    // The function is strict: of NULL it makes NULL, and does nothing.
    const value = values.includes(null) ? null : await setvalOf(values as string[]);
    answers.push(encodeDataRowBody([encodeValue(value, formatAt(execution.resultFormats, 0))]));
  }
  const fields = description.fields ?? [];
  await answerGathered({ fields, rows: answers, tag: `SELECT ${answers.length}` }, execution, d);

  async function setvalOf([name, place, called]: readonly string[]): Promise<string | null> {
    const isCalled = called === undefined ? '' : `, ${quoteLiteral(called)}`;
    const sql = `SELECT pg_catalog.setval(${quoteLiteral(name!)}, ${place}${isCalled})`;
    const [answer] = await rowsEverywhere(sql, call, d);
    return answer?.[0] ?? null;
  }
}
