// KILL, RELOAD, RESTART and SHUTDOWN: what an operator does to clients and to the proxy.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Client } from '../session/client.ts';
import { type Answer, type Command, done } from './command.ts';
import type { Operations } from './operations.ts';

function kill(chosen: readonly Client[], tag: string): Answer {
  const error = new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'terminating connection due to administrator command',
    severity: 'FATAL',
  });
  for (const { session } of chosen) session.terminate(error);
  return { ...done(tag), ended: chosen.length };
}

function byId(argument: string, { clients }: Operations): Client[] {
  return [...clients()].filter(({ identity }) => String(identity.id) === argument);
}

/** A user's or a database's name; a name that nobody has is an error, one without clients is not. */
function byName(argument: string, operations: Operations): Client[] {
  const { proxy, shards } = operations.config();
  const databases = [proxy.database, ...shards.map(({ database }) => database)];
  const isKnown = proxy.users.some(({ name }) => name === argument) || databases.includes(argument);
  if (!isKnown) throw nobody(argument);
  return [...operations.clients()].filter(
    ({ identity }) => identity.user === argument || identity.database === argument,
  );
}

function nobody(argument: string): SqlError {
  return new SqlError({
    code: SQLSTATE.undefinedObject,
    message:
      argument === ''
        ? 'whom to end is missing'
        : `there is no client, user or database "${argument}"`,
    hint: 'SHOW CLIENTS has the ids and the users.',
  });
}

export const CLIENT_COMMANDS: readonly Command[] = [
  {
    name: 'KILL',
    usage: '<client id, user or database>',
    about: 'end clients at once, with 57P01',
    role: 'operates',
    over: 'any',
    columns: null,
    run(argument, operations) {
      const chosen = byId(argument, operations);
      return kill(chosen.length > 0 ? chosen : byName(argument, operations), 'KILL');
    },
  },
  {
    name: 'KILL_CLIENT',
    usage: '<client id>',
    about: 'end one client at once, with 57P01',
    role: 'operates',
    over: 'any',
    columns: null,
    run(argument, operations) {
      const chosen = byId(argument, operations);
      if (chosen.length === 0) throw nobody(argument);
      return kill(chosen, 'KILL_CLIENT');
    },
  },
  {
    name: 'RELOAD',
    usage: '',
    about: 'read the configuration and the certificates again; clients stay connected',
    role: 'operates',
    over: 'here',
    columns: null,
    run: async (_, operations) => done('RELOAD', await operations.reload()),
  },
  {
    name: 'RESTART',
    usage: '',
    about: 'start new workers, with the program and the configuration of now; the old ones drain',
    role: 'operates',
    over: 'here',
    columns: null,
    run: async (_, operations) => done('RESTART', await operations.restart()),
  },
  {
    name: 'SHUTDOWN',
    usage: '',
    about: 'take no more clients, let transactions end, and end the proxy',
    role: 'operates',
    over: 'here',
    columns: null,
    run(_, operations) {
      operations.shutdown();
      return done('SHUTDOWN');
    },
  },
];

/** 55000: a process cannot be replaced while clients hold on to it. */
export function nothingToRestart(): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'a proxy without workers cannot be restarted while it serves',
    hint: 'Start it with proxy.workers: 1 or more.',
  });
}
