// Shapes: texts share one exactly when they differ in literals alone.

import { describe, expect, it } from 'vitest';
import { shapeOf } from '../../src/sql/shape.ts';
import { type Token, tokenize } from '../../src/sql/token.ts';
import fc from '../support/property.ts';
import { shapedText, sqlText } from './text.ts';

/** The tokens with each literal replaced by its class. */
function pattern(sql: string): string {
  return tokenize(sql)!
    .map((token) => (isLifted(token) ? classOfLiteral(token.text) : `${token.kind} ${token.text}`))
    .join('\n');
}

const isLifted = ({ kind, text }: Token) =>
  kind === 'number' || (kind === 'string' && /^[eE]?'/.test(text));

function classOfLiteral(text: string): string {
  if (text.startsWith("'")) return '<string>';
  if (/^[eE]'/.test(text)) return '<escaped>';
  if (!/^\d+$/.test(text)) return '<decimal>';
  return BigInt(text) <= 2147483647n ? '<int4>' : '<int8>';
}

describe('shapeOf', () => {
  it('gives two texts one key only if their tokens are equal but for literals of a class', () => {
    fc.assert(
      fc.property(shapedText(), shapedText(), (a, b) => {
        const [one, other] = [shapeOf(a)!, shapeOf(b)!];
        if (one.key === other.key) expect(pattern(a)).toBe(pattern(b));
        else expect(pattern(a)).not.toBe(pattern(b));
      }),
      { numRuns: 5_000 },
    );
  });

  it('never confuses two arbitrary texts', () => {
    const known = new Map<string, string>();
    fc.assert(
      fc.property(sqlText(6), sqlText(6), (a, b) => {
        for (const sql of [`select ${a}`, `select ${b}`]) {
          const shape = shapeOf(sql);
          if (shape === null || tokenize(sql) === null) continue;
          const same = known.get(shape.key) ?? pattern(sql);
          known.set(shape.key, same);
          expect(pattern(sql), sql).toBe(same);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('reports literals and where they start, so that putting them back gives the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          shapedText(),
          sqlText().map((text) => `select ${text}`),
        ),
        (sql) => {
          const starts: number[] = [];
          const shape = shapeOf(sql, starts);
          if (shape === null) return;
          expect(starts).toHaveLength(shape.literals.length);
          shape.literals.forEach((literal, i) => {
            expect(sql.slice(starts[i], starts[i]! + literal.length)).toBe(literal);
          });
          const kept = shape.key.split('\x01');
          expect(kept).toHaveLength(shape.literals.length + 1);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('lifts the literals that the tokenizer finds', () => {
    fc.assert(
      fc.property(
        sqlText().map((text) => `select ${text}`),
        (sql) => {
          const shape = shapeOf(sql);
          const tokens = tokenize(sql);
          if (shape === null || tokens === null) return;
          expect(shape.literals, sql).toEqual(tokens.filter(isLifted).map(({ text }) => text));
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it('takes comments out of the key', () => {
    expect(shapeOf('/* a */ select 1 -- b\n+ /* c */ 2')!.key).toBe(
      shapeOf('select 1 -- x\n+ /**/ 3')!.key,
    );
  });

  it('declines utility statements and literals that need more than their text', () => {
    for (const sql of [
      'set a = 1',
      'begin',
      'explain select 1',
      '',
      '-- only',
      'select 0x1F',
      'select 1_000',
      "select U&'a'",
      "select b'1'",
      "select 'a'\n'b'",
      "select 'open",
    ]) {
      expect(shapeOf(sql), sql).toBeNull();
    }
  });
});
