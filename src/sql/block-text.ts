// Block text: the statements of a PL/pgSQL block that does nothing but run them, as migrations write it.

import { closing } from './clause.ts';
import { type Token, tokenize } from './token.ts';

export interface BlockText {
  readonly statements: readonly string[];
  /** What stands between IF and THEN, an expression each. */
  readonly conditions: readonly string[];
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/**
 * BEGIN statement; … IF condition THEN statement; … END IF; … [EXCEPTION WHEN … THEN NULL;] END. null for
 * any other block: one with variables, loops, ELSE, or more in its EXCEPTION than NULL or RAISE NOTICE.
 */
export function blockText(body: string): BlockText | null {
  const tokens = tokenize(body);
  if (tokens === null || !isWord(tokens[0], 'begin')) return null;
  const statements: string[] = [];
  const conditions: string[] = [];
  const text = (from: number, to: number) => body.slice(tokens[from]!.start, tokens[to - 1]!.end);
  let inIf = false;
  let at = 1;
  while (at < tokens.length) {
    const end = behindStatement(tokens, at);
    if (isWord(tokens[at], 'end')) {
      if (inIf && isWord(tokens[at + 1], 'if') && end === at + 3) {
        inIf = false;
        at = end;
        continue;
      }
      return !inIf && isEnd(tokens, at) ? { statements, conditions } : null;
    }
    if (isWord(tokens[at], 'exception')) {
      return !inIf && isQuiet(tokens, at + 1) ? { statements, conditions } : null;
    }
    if (isWord(tokens[at], 'if')) {
      const then = tokens.findIndex((token, i) => i > at && isWord(token, 'then'));
      if (inIf || then < at + 2) return null;
      conditions.push(text(at + 1, then));
      inIf = true;
      at = then + 1;
      continue;
    }
    if (end === null || end - 1 <= at) return null;
    statements.push(text(at, end - 1));
    at = end;
  }
  return null;
}

/** Behind the semicolon that ends what begins there; null: there is none. */
function behindStatement(tokens: readonly Token[], from: number): number | null {
  for (let i = from; i < tokens.length; i++) {
    if (tokens[i]!.text === '(') i = closing(tokens, i) ?? tokens.length;
    else if (tokens[i]!.text === ';') return i + 1;
  }
  return null;
}

/** END [;] and nothing more. */
function isEnd(tokens: readonly Token[], at: number): boolean {
  if (!isWord(tokens[at], 'end')) return false;
  const rest = tokens.length - at - 1;
  return rest === 0 || (rest === 1 && tokens[at + 1]!.text === ';');
}

/** WHEN … THEN NULL; … END: what is caught is passed over. */
function isQuiet(tokens: readonly Token[], from: number): boolean {
  for (let at = from; at < tokens.length; ) {
    if (isEnd(tokens, at)) return at > from;
    if (!isWord(tokens[at], 'when')) return false;
    const then = tokens.findIndex((token, i) => i > at && isWord(token, 'then'));
    if (then < 0) return false;
    const isNull = isWord(tokens[then + 1], 'null');
    const isNotice = isWord(tokens[then + 1], 'raise') && isWord(tokens[then + 2], 'notice');
    const end = behindStatement(tokens, then + 1);
    if (end === null || !(isNull ? end === then + 3 : isNotice)) return false;
    at = end;
  }
  return false;
}

const DDL = new Set(['create', 'alter', 'drop', 'grant', 'revoke', 'comment']);
const BEFORE = new Set(['begin', 'then', 'else', 'loop', ';']);

/** Some statement of the block is DDL. */
export function hasDdl(body: string): boolean {
  const tokens = tokenize(body) ?? [];
  return tokens.some(
    (token, i) =>
      token.kind === 'word' && DDL.has(token.text) && BEFORE.has(tokens[i - 1]?.text ?? ''),
  );
}
