// Worker: a process that serves clients and asks the primary for what concerns all workers.

import { saveCompiled } from '../base/compile-cache.ts';
import { CANCEL_PASS_MS, CHANNEL_DEADLINE_MS, RESTART_MS, SCHEMA_TOLD_MS } from '../base/limits.ts';
import { createLog, type Logger } from '../base/log.ts';
import { commandNamed } from '../commands/commands.ts';
import { type ProxyWorker, startProxy } from '../proxy.ts';
import type { Siblings } from '../session/siblings.ts';
import { Channel, type Port } from './channel.ts';
import type { PrimaryAnswers, WorkerAnswers, WorkerStart } from './messages.ts';

/** Where the primary puts the socket that all workers listen on: behind stdio and the channel. */
const LISTENING_FD = 4;

type Primary = Channel<WorkerAnswers, PrimaryAnswers>;

/** Serves until the primary says otherwise, or is gone. Resolves with the exit code. */
export function runWorker(process: NodeJS.Process): Promise<number> {
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const starting = Promise.withResolvers<ProxyWorker>();
  // Whoever waits for it is told; nobody need.
  starting.promise.catch(() => undefined);
  const running = starting.promise;
  const schema: SchemaState = { isServed: false, isOld: false };
  const close = (): void => {
    running
      .then((proxy) => proxy.close())
      .then(
        () => end(0),
        () => end(1),
      );
  };
  const primary: Primary = new Channel<WorkerAnswers, PrimaryAnswers>(process as Port, {
    async start(start) {
      process.title = `drive worker ${start.number}`;
      starting.resolve(startWorker(start, primary, schema));
      await running;
      saveCompiled();
    },
    run: async ({ command, argument }) => {
      const { operations } = await running;
      return commandNamed(command)!.run(argument, operations);
    },
    cancel: async (key) => (await running).cancel(key),
    signal: async (signal) => (await running).signal(signal),
    async loadSchema() {
      if (schema.isServed) await (await running).loadSchema();
      else schema.isOld = true;
    },
    apply: async (config) => (await running).apply(config),
    resize: async (share) => (await running).resize(share),
    measure: async () => (await running).measure(),
    async drain() {
      const proxy = await running;
      void proxy.drain().then(close);
    },
    close,
  });
  // Nobody is left to ask: what this process knows may be out of date any moment.
  primary.onLost = () => end(1);
  // The terminal and the service manager tell all processes; the primary tells its workers.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  process.on('SIGUSR2', () => undefined);
  process.on('SIGTERM', () => primary.tell('leaving', null));
  return ended;
}

/** Before the first client comes, a change of the schema need not be waited for. */
interface SchemaState {
  isServed: boolean;
  /** It has changed since it was read. */
  isOld: boolean;
}

function startWorker(
  start: WorkerStart,
  primary: Primary,
  schema: SchemaState,
): Promise<ProxyWorker> {
  const { config, number, name, share, orders } = start;
  const log = createLog(config.log.level, config.log.pretty).child({ worker: number });
  return startProxy(config, log, {
    shutdown: () => primary.tell('shutdown', null),
    worker: {
      ...{ name, share, fd: LISTENING_FD },
      siblings: siblingsOf(number, primary, log),
      async beforeClients(operations, loadSchema) {
        // PAUSE answers once all is quiet, which it is.
        for (const { command, argument } of orders) {
          void commandNamed(command)!.run(argument, operations);
        }
        while (schema.isOld) {
          schema.isOld = false;
          await loadSchema();
        }
        schema.isServed = true;
      },
      async run(command, argument, operations) {
        if (command.over === 'here') return command.run(argument, operations);
        // An order may wait for clients: PAUSE.
        const deadlineMs = command.role === 'operates' ? null : 2 * CHANNEL_DEADLINE_MS;
        return primary.ask('run', { command: command.name, argument }, deadlineMs);
      },
      reload: () => primary.ask('reload', null, RESTART_MS),
      restart: () => primary.ask('restart', null, RESTART_MS),
    },
  });
}

function siblingsOf(number: number, primary: Primary, log: Logger): Siblings {
  let lastSeat = 0;
  return {
    number,
    async take(isConsole) {
      lastSeat += 1;
      const seat = lastSeat;
      let isTaken = true;
      const leave = (): void => {
        if (isTaken) primary.tell('leaveSeat', seat);
        isTaken = false;
      };
      try {
        await primary.ask('takeSeat', { seat, isConsole }, CHANNEL_DEADLINE_MS);
      } catch (error) {
        // The answer may have been too late, and the seat taken.
        leave();
        throw error;
      }
      return {
        claim: (user) => primary.ask('claimSeat', { seat, user }, CHANNEL_DEADLINE_MS),
        leave,
      };
    },
    cancel: (key) => primary.ask('cancel', key, CANCEL_PASS_MS),
    signal: (signal) => primary.ask('signal', signal, CANCEL_PASS_MS),
    // The primary ends who cannot be told, so this is bounded there.
    async schemaChanged() {
      try {
        await primary.ask('schemaChanged', null, 2 * SCHEMA_TOLD_MS);
      } catch (error) {
        log.warn({ err: error }, 'other workers could not be told of a new schema');
      }
    },
    living: () => primary.ask('living', null, CHANNEL_DEADLINE_MS),
  };
}
