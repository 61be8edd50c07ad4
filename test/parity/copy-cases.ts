// COPY data of every kind: what one PostgreSQL takes, and what it refuses.

/** The columns of `copied`, the sharded table of the COPY tests. */
export const COPIED_DDL = `
  CREATE TABLE copied (
    user_id int8 NOT NULL, id int4, name text DEFAULT 'none', note text,
    half int8 GENERATED ALWAYS AS (user_id / 2) STORED, CHECK (id <> 666));
  CREATE TABLE loose (name text, user_id int8);`;

export interface CopyCase {
  readonly name: string;
  /** Behind COPY: table, columns, FROM STDIN and the options. */
  readonly copy: string;
  /** Characters up to U+00FF are bytes. */
  readonly data: string;
}

const COPY = 'copied FROM STDIN';
const rows = (count: number, row: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => row(i)).join('');

const good = rows(40, (i) => `${i}\t${i}\tname ${i}\t\\N\n`);
const goodCsv = rows(40, (i) => `${i},${i},"name, ${i}",\n`);

export const COPY_CASES: readonly CopyCase[] = [
  { name: 'nothing', copy: COPY, data: '' },
  { name: 'text', copy: COPY, data: good },
  { name: 'text without the last line end', copy: COPY, data: good.slice(0, -1) },
  { name: 'carriage returns', copy: COPY, data: good.replaceAll('\n', '\r') },
  { name: 'both', copy: COPY, data: good.replaceAll('\n', '\r\n') },
  { name: 'mixed line ends', copy: COPY, data: `${good}7\t7\tx\ty\r\n` },
  { name: 'mixed line ends, other way', copy: COPY, data: '1\t1\tx\ty\r\n2\t2\tx\ty\n' },
  {
    name: 'keys of all kinds',
    copy: `copied (user_id) FROM STDIN`,
    data: `0\n-1\n-17\n2147483648\n9223372036854775807\n-9223372036854775808\n9007199254740993\n+5\n 6 \n0x10\n1_000\n\\x37\n\\70\n`,
  },
  { name: 'escapes', copy: COPY, data: '1\t1\ta\\tb\\nc\\\\d\\\n\t\\x41\\101\n2\t2\t\\\t\t\\N\n' },
  { name: 'UTF-8', copy: COPY, data: '1\t1\t\xc3\xa4\xe2\x82\xac\t\xf0\x9f\x98\x80\n2\t2\tb\tc\n' },
  { name: 'invalid UTF-8', copy: COPY, data: `${good}1\t1\t\xc3\x28\tx\n` },
  {
    name: 'a column list in another order',
    copy: 'copied (note, user_id) FROM STDIN',
    data: 'a\t1\nb\t2\n\\N\t3\n',
  },
  { name: 'a column that is not there', copy: 'copied (nope) FROM STDIN', data: '1\n' },
  { name: 'a column twice', copy: 'copied (user_id, user_id) FROM STDIN', data: '1\t1\n' },
  { name: 'a generated column', copy: 'copied (user_id, half) FROM STDIN', data: '1\t1\n' },
  {
    name: 'options of text',
    copy: `${COPY} (DELIMITER '|', NULL 'null', HEADER)`,
    data: 'user_id|id|name|note\n1|1|null|\n2|2|a\\|b|null\n',
  },
  { name: 'a header alone', copy: `${COPY} (HEADER)`, data: 'x\n' },
  {
    name: 'HEADER match',
    copy: `${COPY} (FORMAT csv, HEADER match)`,
    data: `user_id,id,name,note\n${goodCsv}`,
  },
  {
    name: 'HEADER match that does not',
    copy: `${COPY} (FORMAT csv, HEADER match)`,
    data: `user_id,id,nam,note\n${goodCsv}`,
  },
  { name: 'DEFAULT', copy: `${COPY} (DEFAULT '\\D')`, data: '1\t1\t\\D\tx\n2\t2\tx\tx\n' },
  { name: 'the end marker', copy: COPY, data: `${good}\\.\nfoo\n` },
  { name: 'the end marker alone', copy: COPY, data: '\\.\n' },
  { name: 'the end marker without a line end', copy: COPY, data: `${good}\\.` },
  { name: 'the end marker in a row', copy: COPY, data: `${good}1\t1\tx\\.\tx\n` },
  { name: 'the end marker with something behind', copy: COPY, data: `${good}\\.x\n` },
  {
    name: 'old syntax',
    copy: `${COPY} WITH DELIMITER AS ';' NULL AS ''`,
    data: '1;1;;x\n2;2;a;\n',
  },
  { name: 'csv', copy: `${COPY} (FORMAT csv)`, data: goodCsv },
  {
    name: 'csv with line ends in quotes',
    copy: `${COPY} CSV`,
    data: rows(20, (i) => `${i},${i},"a\nb\n${i}","""q"""\n`),
  },
  {
    name: 'csv with carriage returns in quotes',
    copy: `${COPY} CSV`,
    data: rows(20, (i) => `"${i}",${i},"a\r\nb",x\r\n`),
  },
  {
    name: 'csv with its own quotes',
    copy: `${COPY} (FORMAT csv, QUOTE '''', ESCAPE '\\', DELIMITER ';', NULL 'n')`,
    data: "'1';1;'a\\'b;c';n\n2;2;'\\\\';'n'\n",
  },
  {
    name: 'FORCE_NULL and FORCE_NOT_NULL',
    copy: `${COPY} (FORMAT csv, FORCE_NULL (name), FORCE_NOT_NULL (note))`,
    data: '1,1,"",\n2,2,x,""\n',
  },
  {
    name: 'FORCE_NULL of the key',
    copy: `${COPY} (FORMAT csv, NULL '7', FORCE_NULL (user_id))`,
    data: '1,1,a,b\n"7",2,a,b\n',
  },
  { name: 'a mixed line end in csv', copy: `${COPY} CSV`, data: '1,1,"a\nb",x\n2,2,y,z\r\n' },
  { name: 'an open quote', copy: `${COPY} CSV`, data: '1,1,a,b\n2,2,"x,y\n3,3,a,b\n' },
  { name: 'WHERE', copy: `${COPY} WHERE id % 3 = 0`, data: good },
  { name: 'a key that is none', copy: COPY, data: `${good}abc\t1\tx\ty\n${good}` },
  { name: 'a key that is too large', copy: COPY, data: `${good}9223372036854775808\t1\tx\ty\n` },
  { name: 'an empty key', copy: COPY, data: `${good}\t1\tx\ty\n` },
  { name: 'a NULL key', copy: COPY, data: `${good}\\N\t1\tx\ty\n${good}` },
  { name: 'a bad value of another column', copy: COPY, data: `${good}41\tx\tx\ty\n${good}` },
  {
    name: 'a bad value, csv, behind quoted line ends',
    copy: `${COPY} (FORMAT csv, HEADER)`,
    data: `"a\nb",c,d,e\n${rows(9, (i) => `${i},1,"x\ny",\n`)}9,z,"a\nb",c\n`,
  },
  { name: 'too few columns', copy: COPY, data: `${good}41\t1\n${good}` },
  { name: 'too many columns', copy: COPY, data: `${good}41\t1\tx\ty\tz\n` },
  { name: 'no key in the row', copy: 'copied (note, user_id) FROM STDIN', data: 'a\t1\nb\n' },
  { name: 'a row that a constraint refuses', copy: COPY, data: `${good}41\t666\tx\ty\n${good}` },
  { name: 'an empty line', copy: COPY, data: `${good}\n` },
  {
    name: 'ON_ERROR ignore',
    copy: `${COPY} (ON_ERROR ignore)`,
    data: `${good}x\t1\ta\tb\n8\tx\ta\tb\n9\t9\ta\tb\n`,
  },
  {
    name: 'ON_ERROR ignore, verbose',
    copy: `${COPY} (ON_ERROR ignore, LOG_VERBOSITY verbose)`,
    data: `${good}8\tx\ta\tb\n${good}7\ty\ta\tb\n`,
  },
  { name: 'an unknown column', copy: 'copied (user_id, nothing) FROM STDIN', data: '1\t1\n' },
  { name: 'a bad delimiter', copy: `${COPY} (DELIMITER 'ab')`, data: good },
  { name: 'an unknown format', copy: `${COPY} (FORMAT xml)`, data: good },
  {
    name: 'an ASCII encoding',
    copy: `${COPY} (ENCODING 'latin1')`,
    data: '1\t1\t\xe4\tx\n2\t2\t\xf6\ty\n',
  },
  { name: 'no signature', copy: `${COPY} (FORMAT binary)`, data: good },
  { name: 'no bytes at all, binary', copy: `${COPY} (FORMAT binary)`, data: '' },
];
