// PAUSE, RESUME, RECONNECT, DISABLE and ENABLE: what an operator does to the shards.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import { type Command, done } from './command.ts';
import type { Operations } from './operations.ts';

/**
 * The pools a word means: a shard's number, its database's name, or the whole cluster's name; all
 * without one. Throws 22023.
 */
function poolsOf(argument: string, operations: Operations): readonly ShardPool[] {
  const { pools } = operations;
  if (argument === '' || argument === operations.config().proxy.database) return pools;
  const named = pools.filter(
    ({ shard }) => String(shard.id) === argument || shard.database === argument,
  );
  if (named.length === 1) return named;
  throw new SqlError({
    code: SQLSTATE.invalidParameterValue,
    message: `there is no shard "${argument}"`,
    hint: `The shards are 0 to ${pools.length - 1}; SHOW SHARDS lists them.`,
  });
}

function verb(
  name: string,
  about: string,
  act: (pool: ShardPool) => void | Promise<void>,
  needsShard = false,
): Command {
  return {
    name,
    usage: needsShard ? '<shard>' : '[shard]',
    about,
    role: 'operates',
    over: 'every',
    columns: null,
    async run(argument, operations) {
      if (needsShard && argument === '') throw whichShard(name);
      await Promise.all(poolsOf(argument, operations).map(act));
      return done(name);
    },
  };
}

function whichShard(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.syntaxError,
    message: `${name} needs a shard`,
    hint: `${name} 0, for example; SHOW SHARDS lists them.`,
  });
}

export const SHARD_COMMANDS: readonly Command[] = [
  verb(
    'PAUSE',
    'let transactions end, keep new statements waiting, close the connections; answers when done',
    (pool) => pool.pause(),
  ),
  verb('RESUME', 'end PAUSE', (pool) => pool.resume()),
  verb('RECONNECT', 'replace each connection once it is free', (pool) => pool.reconnect()),
  verb('DISABLE', 'refuse new statements on a shard with 57P03', (pool) => pool.disable(), true),
  verb('ENABLE', 'end DISABLE', (pool) => pool.enable(), true),
];
