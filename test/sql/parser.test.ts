// Parser: what the grammar accepts, what is left to the server and what is too much.

import { beforeAll, describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { PARSED_SQL_BYTES_MAX } from '../../src/base/limits.ts';
import { loadParser, parseSql } from '../../src/sql/parser.ts';

beforeAll(loadParser);

const codeOf = (sql: string) => {
  try {
    parseSql(sql);
  } catch (error) {
    if (error instanceof SqlError) return error.code;
    throw error;
  }
  return null;
};

describe('parseSql', () => {
  it('gives the text of each statement without its semicolon', () => {
    const texts = parseSql("select 'é;' ; update t set a = 1;;")!.statements.map((s) => s.text);
    expect(texts.map((text) => text.trim())).toEqual(["select 'é;'", 'update t set a = 1']);
  });

  it('gives no statement for blank text', () => {
    for (const sql of ['', ' ', ';', ' ; ; ', '-- a', '/* a */;']) {
      expect(parseSql(sql)?.statements, sql).toEqual([]);
    }
  });

  it('leaves what the grammar does not accept to the server', () => {
    for (const sql of ['select from where', "select 'open", 'nonsense', 'select 1 2 3 from']) {
      expect(parseSql(sql), sql).toBeNull();
    }
  });

  it('refuses a string continued behind a comment, which the server would accept', () => {
    expect(codeOf("update t set a = 'x' -- c\n 'y'")).toBe('0A000');
    expect(codeOf("select e'x' --\n --\n 'y'")).toBe('0A000');
    expect(codeOf("select 'x'\n 'y'")).toBeNull();
  });

  it('refuses text that nests too deep with 54001 and parses the next text', () => {
    const many = 20_000;
    const texts = [
      `select ${'('.repeat(many)}1${')'.repeat(many)}`,
      `select ${'- '.repeat(many)}a`,
      `select ${'a+'.repeat(many)}a`,
      `select ${'a.'.repeat(many)}a`,
      `select ${'not '.repeat(many)}a`,
      `select ${'case when a and b then c, d else '.repeat(many)} 1`,
      `${'select 1, 2 where a and b union '.repeat(many)} select 1`,
      `select a${'::int'.repeat(many)}`,
      `select a${' is null'.repeat(many)}`,
      `select a${' isnull'.repeat(many)}`,
      `select a${' collate "C"'.repeat(many)}`,
      `select a${" at time zone 'UTC'".repeat(many)}`,
      `select * from a ${'join b on a and b '.repeat(many)}`,
      `select ${'array['.repeat(many)}1${']'.repeat(many)}`,
    ];
    for (const sql of texts) expect(codeOf(sql), sql.slice(0, 60)).toBe('54001');
    expect(parseSql('select 1')?.statements).toHaveLength(1);
  });

  it('parses wide text: long lists, many conditions, many branches, many rows', () => {
    const list = Array.from({ length: 20_000 }, (_, i) => i).join(', ');
    expect(parseSql(`select * from t where a in (${list})`)).not.toBeNull();
    expect(parseSql(`select 1 where a = 1 ${'or a = 1 '.repeat(5_000)}`)).not.toBeNull();
    const branches = 'when a = 1 then b + 1 '.repeat(5_000);
    expect(parseSql(`select case ${branches} else -a end`)).not.toBeNull();
    expect(
      parseSql(`insert into t values ${'(1, -2, 3 + 4), '.repeat(5_000)}(1, 2, 3)`),
    ).not.toBeNull();
  });

  it('refuses text past the bound with 54000', () => {
    expect(codeOf(`select '${'x'.repeat(PARSED_SQL_BYTES_MAX)}'`)).toBe('54000');
  });

  it('gives a deep tree that fits one position per constant, in characters', () => {
    const parsed = parseSql("select 'é', 'ü', 42")!;
    const [only] = parsed.statements;
    const body = only?.statement.kind === 'select' ? only.statement.body : null;
    const targets = body?.kind === 'simple' ? body.targets : [];
    const places = targets.map(({ expression }) =>
      expression.kind === 'constant' ? expression.at : -1,
    );
    expect(places).toEqual([7, 12, 17]);
  });
});
