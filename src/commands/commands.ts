// Commands: all of them, and how one is found by what an operator has typed.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type Command, columns, show } from './command.ts';
import { CLIENT_COMMANDS } from './operate-proxy.ts';
import { SHARD_COMMANDS } from './operate-shards.ts';
import { TABLE_COMMANDS } from './operate-tables.ts';
import { POOL_COMMANDS } from './show-pools.ts';
import { PROXY_COMMANDS } from './show-proxy.ts';
import { SOCKET_COMMANDS } from './show-sockets.ts';
import { STATEMENT_COMMANDS } from './show-statements.ts';
import { STATS_COMMANDS } from './show-stats.ts';
import { TRANSACTION_COMMANDS } from './show-transactions.ts';
import { WORKER_COMMANDS } from './show-workers.ts';

const HELP = show('HELP', 'this list', 'here', columns('command about'), () =>
  COMMANDS.map(({ name, usage, about }) => [`${name} ${usage}`.trim(), about]),
);

export const COMMANDS: readonly Command[] = [
  HELP,
  ...PROXY_COMMANDS,
  ...WORKER_COMMANDS,
  ...POOL_COMMANDS,
  ...SOCKET_COMMANDS,
  ...STATS_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...STATEMENT_COMMANDS,
  ...SHARD_COMMANDS,
  ...TABLE_COMMANDS,
  ...CLIENT_COMMANDS,
];

/** What was typed: a command and its argument. */
export interface Call {
  readonly command: Command;
  readonly argument: string;
}

/**
 * One command without its semicolon, in upper or lower case; the argument as it is or in double or
 * single quotes. Throws 42601.
 */
export function findCommand(text: string): Call {
  const words = text.trim().match(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[^\s"']+/g) ?? [];
  const [first = '', second = ''] = words.map((word) => word.toUpperCase());
  const length = first === 'SHOW' ? 2 : 1;
  const name = length === 2 ? `${first} ${second}` : first;
  const command = commandNamed(name);
  const rest = words.slice(length).map(unquoted);
  if (command === undefined) throw unknownCommand(text);
  if (command.takesLine === true) {
    return { command, argument: text.trim().slice(command.name.length).trim() };
  }
  if (rest.length > (command.usage === '' ? 0 : 1)) throw unknownCommand(text);
  return { command, argument: rest[0] ?? '' };
}

/** The command of exactly this name. */
export function commandNamed(name: string): Command | undefined {
  return COMMANDS.find((each) => each.name === name);
}

function unquoted(word: string): string {
  const quote = word[0];
  if (quote !== '"' && quote !== "'") return word;
  return word.slice(1, -1).replaceAll(quote + quote, quote);
}

function unknownCommand(text: string): SqlError {
  return new SqlError({
    code: SQLSTATE.syntaxError,
    message: `invalid command '${text.trim().slice(0, 100)}', use SHOW HELP;`,
  });
}
