// Console statements: what an operator's text is to do, split at its semicolons.

import { type Call, findCommand } from '../commands/commands.ts';

/**
 * ignored: what drivers send unasked, SET of a session setting above all; the console has none.
 * empty: nothing between two semicolons.
 */
export type ConsoleStatement =
  | ({ readonly kind: 'command' } & Call)
  | { readonly kind: 'ignored'; readonly tag: string }
  | { readonly kind: 'empty' };

/** The texts between semicolons, without comments; quoted semicolons do not count. */
export function splitStatements(sql: string): string[] {
  const parts = [''];
  for (const [piece] of sql.matchAll(PIECE)) {
    if (piece === ';') parts.push('');
    else if (piece.startsWith('--') || piece.startsWith('/*')) parts[parts.length - 1] += ' ';
    else parts[parts.length - 1] += piece;
  }
  return parts.map((part) => part.trim());
}

const PIECE = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|[\s\S]/g;

/** Throws SqlError 42601 for what is no command. */
export function readStatement(text: string): ConsoleStatement {
  if (text === '') return { kind: 'empty' };
  if (/^set\s/i.test(text)) return { kind: 'ignored', tag: 'SET' };
  return { kind: 'command', ...findCommand(text) };
}
