// Body words: what the text of a routine or DO block names, as the statement that brings it has it.

import type { Token } from '../sql/token.ts';
import { wordsOf } from '../topology/calling-routines.ts';
import { cutBody, runsText } from '../topology/routine-code.ts';

/** In lower case, without comments; also what is in strings, of which the text itself or a routine may run some. */
export const allWords = (body: string, tokens: readonly Token[]): readonly string[] =>
  wordsOf(cutOf(body, tokens)?.whole ?? body);

/** The same without what is in strings, but for a text that may run these by itself. */
export function codeWords(body: string, tokens: readonly Token[]): readonly string[] {
  const cut = cutOf(body, tokens);
  if (cut === null) return wordsOf(body);
  return wordsOf(runsText(cut) ? cut.whole : cut.code);
}

/** null: it is in another language, as LANGUAGE says, or cannot be read. */
function cutOf(body: string, tokens: readonly Token[]): ReturnType<typeof cutBody> {
  const at = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'language');
  const isSql = at < 0 || /^['"]?(?:plpg)?sql['"]?$/i.test(tokens[at + 1]?.text ?? '');
  return isSql ? cutBody(body) : null;
}
