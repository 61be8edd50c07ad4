// Script: a psql script as the statements in it; what only psql understands is left out.

/** `COPY … FROM stdin` has its lines with it. */
export interface ScriptStatement {
  readonly sql: string;
  readonly data: string | null;
}

const DOLLAR = /^\$(?:[A-Za-z_]\w*)?\$/;

export function statementsOf(script: string): ScriptStatement[] {
  const statements: ScriptStatement[] = [];
  let sql = '';
  let at = 0;
  let depth = 0;
  const add = (data: string | null): void => {
    if (sql.trim() !== '') statements.push({ sql: sql.trim(), data });
    sql = '';
  };
  while (at < script.length) {
    const end = tokenEnd(script, at);
    const token = script.slice(at, end);
    at = end;
    if (token.startsWith('--') || token.startsWith('/*')) continue;
    if (token === '\\' || token.startsWith('\\')) {
      // \gset, \; and their kin end or change what stands before them: it is dropped.
      const line = script.indexOf('\n', at);
      at = line < 0 ? script.length : line;
      sql = '';
      continue;
    }
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token !== ';' || depth > 0) {
      sql += token;
      continue;
    }
    depth = 0;
    if (!/^\s*copy\b[^;]*\bfrom\s+stdin\b/i.test(sql)) {
      add(null);
      continue;
    }
    const from = script.indexOf('\n', at) + 1;
    const to = script.indexOf('\\.\n', from);
    if (to < 0) break;
    add(script.slice(from, to));
    at = to + 3;
  }
  add(null);
  return statements;
}

/** Behind the token at `at`: a string, a name in quotes, a comment, or one character. */
function tokenEnd(script: string, at: number): number {
  const rest = script.slice(at, at + 64);
  const closing = (mark: string, from: number): number => {
    const end = script.indexOf(mark, from);
    return end < 0 ? script.length : end + mark.length;
  };
  if (rest.startsWith('--')) return Math.max(at + 2, closing('\n', at) - 1);
  if (rest.startsWith('/*')) return closing('*/', at + 2);
  if (rest.startsWith("'")) {
    const escapes = /e/i.test(script[at - 1] ?? '') && !/\w/.test(script[at - 2] ?? ' ');
    return quotedEnd(script, at, "'", escapes);
  }
  if (rest.startsWith('"')) return quotedEnd(script, at, '"', false);
  const dollar = DOLLAR.exec(rest);
  if (dollar !== null) return closing(dollar[0], at + dollar[0].length);
  return at + 1;
}

function quotedEnd(script: string, at: number, mark: string, escapes: boolean): number {
  for (let i = at + 1; i < script.length; i++) {
    if (escapes && script[i] === '\\') i += 1;
    else if (script[i] === mark) {
      if (script[i + 1] !== mark) return i + 1;
      i += 1;
    }
  }
  return script.length;
}
