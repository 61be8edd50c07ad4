// Identifiers: a token means the name that PostgreSQL's own parser reads.

import { beforeAll, describe, expect, it } from 'vitest';
import { identifierOf } from '../../src/sql/identifier.ts';
import { loadParser, parseSql } from '../../src/sql/parser.ts';
import { tokenize } from '../../src/sql/token.ts';
import fc from '../support/property.ts';

beforeAll(loadParser);

/** The name of the one column that is selected. */
function nameRead(written: string): string {
  const statement = parseSql(`SELECT ${written}`)!.statements[0]!.statement;
  const body = statement.kind === 'select' ? statement.body : null;
  const column = body?.kind === 'simple' ? body.targets[0]!.expression : null;
  if (column?.kind !== 'column') throw new Error(`${written} is no column`);
  return column.path[0]!;
}

const nameMeant = (written: string) => identifierOf(tokenize(written)![0]!);

describe('identifierOf', () => {
  it.each([
    'Files',
    'ÜBUNG',
    'İd',
    'Имя_ABC',
    '"Files"',
    '"a""b"',
    'U&"\\00DCb"',
    'u&"d\\0061t\\+000061"',
    'U&"a\\\\b""c"',
    'U&"\\D83D\\DE00"',
    'x'.repeat(70),
    `"${'ü'.repeat(40)}"`,
    `"x${'ü'.repeat(40)}"`,
    `"${'日本'.repeat(20)}"`,
    `U&"\\00fc${'ü'.repeat(40)}"`,
  ])('of %s is what the parser reads', (written) => {
    expect(nameMeant(written)).toBe(nameRead(written));
  });

  it('of any name in quotes is what the parser reads', () => {
    const name = fc.string({ minLength: 1, maxLength: 90, unit: 'grapheme' });
    fc.assert(
      fc.property(
        name.filter((each) => !each.includes('\0')),
        (each) => {
          const written = `"${each.replaceAll('"', '""')}"`;
          expect(nameMeant(written)).toBe(nameRead(written));
        },
      ),
    );
  });
});
