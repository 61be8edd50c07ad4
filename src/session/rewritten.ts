// Rewritten: the errors of a statement whose servers were sent another text, in terms of the client's.

import { ServerError } from '../pool/query.ts';
import { tokenize } from '../sql/token.ts';
import { charactersOf, type ErrorFields, FIELD } from '../wire/error-response.ts';

export interface Rewritten {
  /** As the client wrote it. */
  readonly written: string;
  readonly sent: string;
}

/**
 * The place is that of the same token, which has as many of its like before it; an error about what the
 * client did not write has none.
 */
export function inWritten(error: ErrorFields, { written, sent }: Rewritten): ErrorFields {
  const position = error.all.get(FIELD.position);
  if (position === undefined) return error;
  const all = new Map(error.all);
  const place = placeIn(written, sent, indexOf(sent, Number(position)));
  if (place === null) all.delete(FIELD.position);
  else all.set(FIELD.position, String(charactersOf(written.slice(0, place)) + 1));
  return { ...error, all };
}

/** The index of a character, whose number counts from 1. */
function indexOf(text: string, number: number): number {
  let index = 0;
  let left = number - 1;
  for (const character of text) {
    if (left === 0) break;
    left -= 1;
    index += character.length;
  }
  return index;
}

function placeIn(written: string, sent: string, index: number): number | null {
  const tokens = tokenize(sent) ?? [];
  const at = tokens.find(({ start, end }) => start <= index && index < end);
  if (at === undefined) return null;
  const like = tokens.filter(({ text }) => text === at.text);
  const alike = (tokenize(written) ?? []).filter(({ text }) => text === at.text);
  if (like.length !== alike.length) return null;
  return alike[like.indexOf(at)]!.start + (index - at.start);
}

/** The same of whatever was thrown. */
export function thrownInWritten(error: unknown, rewritten: Rewritten): unknown {
  if (rewritten.written === rewritten.sent || !(error instanceof ServerError)) return error;
  return new ServerError(inWritten(error.fields, rewritten));
}
