// TABLE: what an operator does to the kinds of tables.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { TableChange } from '../session/operate-table.ts';
import { type Command, done } from './command.ts';

const USAGE = '<table> HOME | REFERENCE | SHARDED [key column]';

/** `orders SHARDED customer`; the table's name as SQL, quoted where it has to be. Throws 42601. */
function changeOf(argument: string): TableChange {
  const match = /^((?:"(?:[^"]|"")*"|[^\s"])+)\s+(home|reference|sharded)(?:\s+(\S+))?$/i.exec(
    argument,
  );
  const [, table = '', word = '', key] = match ?? [];
  const kind = word.toLowerCase() as TableChange['kind'];
  if (match === null || (key !== undefined && kind !== 'sharded')) {
    throw new SqlError({
      code: SQLSTATE.syntaxError,
      message: 'TABLE needs a table and its new kind',
      hint: `TABLE ${USAGE}; SHOW TABLES lists the tables.`,
    });
  }
  return { table, kind, key: kind === 'sharded' ? (key ?? '') : null };
}

export const TABLE_COMMANDS: readonly Command[] = [
  {
    name: 'TABLE',
    usage: USAGE,
    takesLine: true,
    about: 'give a table another kind, with its rows; it is locked meanwhile',
    role: 'operates',
    over: 'here',
    columns: null,
    async run(argument, operations) {
      await operations.changeTable(changeOf(argument));
      return done('TABLE');
    },
  },
];
