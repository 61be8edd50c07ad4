// Parser: the one door to libpg-query, the PostgreSQL grammar itself as WASM.

import { createRequire } from 'node:module';
import type * as PgQuery from 'libpg-query';
import { notSupported, SqlError } from '../base/errors.ts';
import { PARSED_SQL_BYTES_MAX, SQL_NESTING_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { nestingOf } from './nesting.ts';
import { createReader } from './read-statement.ts';
import { readStatement } from './read-utility.ts';
import type { Statement } from './statement.ts';
import { joinsPastComment, type Token, tokenize } from './token.ts';

export interface ParsedStatement {
  readonly statement: Statement;
  /** The statement's own text and the comments before it, without the semicolon. */
  readonly text: string;
}

/** A text that PostgreSQL's grammar accepts. No statements: nothing but white space and `;`. */
export interface ParsedText {
  readonly tokens: readonly Token[];
  readonly statements: readonly ParsedStatement[];
}

type Library = typeof PgQuery;

const require = createRequire(import.meta.url);

/** The instance in use, and the next one: a fault leaves an instance with a leaked stack. */
const instances: { current: Library | null; spare: Library | null } = {
  current: null,
  spare: null,
};

/** To be called once before any parse. Resolves when the grammar can be used. */
export async function loadParser(): Promise<void> {
  if (instances.current !== null) return;
  instances.current = await loadInstance();
  instances.spare = await loadInstance();
}

/** The package keeps its WASM instance in module scope: a new one takes a new module. */
async function loadInstance(): Promise<Library> {
  const path = require.resolve('libpg-query');
  for (const each of [
    path,
    require.resolve('./libpg-query.js', { paths: [path.slice(0, path.lastIndexOf('/'))] }),
  ]) {
    delete require.cache[each];
  }
  const library = require(path) as Library;
  await library.loadModule();
  return library;
}

function dropInstance(): void {
  instances.current = instances.spare;
  instances.spare = null;
  void loadInstance().then((library) => {
    if (instances.current === null) instances.current = library;
    else instances.spare = library;
  });
}

/**
 * Parses a text; null when the grammar does not accept it (the server is to say so). Throws
 * SqlError 54000 when it is too long and 54001 when it nests too deep to be parsed safely.
 */
export function parseSql(sql: string): ParsedText | null {
  if (sql.length > PARSED_SQL_BYTES_MAX) {
    throw new SqlError({
      code: SQLSTATE.programLimitExceeded,
      message: `a statement is longer than ${PARSED_SQL_BYTES_MAX} characters`,
      hint: 'Send fewer rows in one statement, or use COPY.',
    });
  }
  const tokens = tokenize(sql);
  if (tokens === null) {
    if (parseTree(sql) === null) return null;
    throw notSupported('a text that the planner cannot cut into tokens', 'Write it another way.');
  }
  if (nestingOf(tokens) > SQL_NESTING_MAX) throw tooComplex();
  if (tokens.every((token) => token.text === ';')) return { tokens, statements: [] };
  const tree = parseTree(sql);
  if (tree === null) {
    if (!joinsPastComment(tokens)) return null;
    throw notSupported(
      'a string that is continued behind a comment',
      'Write the string in one piece.',
    );
  }
  try {
    return { tokens, statements: readTree(sql, tree) };
  } catch (error) {
    if (error instanceof RangeError) throw tooComplex();
    throw error;
  }
}

function parseTree(sql: string): PgQuery.ParseResult | null {
  const library = instances.current;
  if (library === null) {
    throw new SqlError({
      code: SQLSTATE.cannotConnectNow,
      message: 'the SQL parser is starting',
      hint: 'Try again.',
    });
  }
  try {
    return library.parseSync(sql);
  } catch (error) {
    if (error instanceof library.SqlError) return null;
    dropInstance();
    if (error instanceof RangeError) throw tooComplex();
    throw error;
  }
}

function tooComplex(): SqlError {
  return new SqlError({
    code: SQLSTATE.statementTooComplex,
    message: 'the statement nests too deep',
    hint: `At most about ${SQL_NESTING_MAX} levels of brackets and operators can be planned.`,
  });
}

function readTree(sql: string, tree: PgQuery.ParseResult): ParsedStatement[] {
  const indexOf = byteIndex(sql);
  const reader = createReader((location) => (location === undefined ? 0 : indexOf(location)));
  let before = 0;
  return (tree.stmts ?? []).map(({ stmt, stmt_location, stmt_len }) => {
    // No length means: to the end of the text.
    const end = stmt_len ? indexOf((stmt_location ?? 0) + stmt_len) : sql.length;
    const text = sql.slice(before, end).replace(/^[\s;]+/, '');
    before = end;
    return { statement: readStatement(stmt!, reader), text };
  });
}

/** Translates offsets in UTF-8 bytes to indexes of the string. */
function byteIndex(sql: string): (byte: number) => number {
  if (Buffer.byteLength(sql) === sql.length) return (byte) => byte;
  const indexes = new Int32Array(Buffer.byteLength(sql) + 1);
  let byte = 0;
  for (let i = 0; i < sql.length; i++) {
    const code = sql.codePointAt(i)!;
    indexes[byte] = i;
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (code >= 0x10000) i++;
  }
  indexes[byte] = sql.length;
  return (offset) => (offset < 0 ? -1 : (indexes[offset] ?? sql.length));
}
