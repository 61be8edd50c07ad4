// Cast parameters: gives parameters of a text their types by name.

import { tokenize } from './token.ts';

/** `types[i]`: the type of parameter $i+1 as SQL, which each of its uses is cast to; null: none. */
export function castParameters(sql: string, types: readonly (string | null)[]): string {
  let text = '';
  let from = 0;
  for (const token of tokenize(sql) ?? []) {
    if (token.kind !== 'parameter') continue;
    const type = types[Number(token.text.slice(1)) - 1] ?? null;
    if (type === null) continue;
    text += `${sql.slice(from, token.start)}(${token.text}::${type})`;
    from = token.end;
  }
  return text + sql.slice(from);
}
