// SHOW WORKERS: the processes of the proxy, and what each of them has to do.

import { columns, show } from './command.ts';
import { timeText } from './show-sockets.ts';

const WORKERS = columns(
  'worker:int4 pid:int4 state start_time clients:int4 servers:int4 memory:int8 cpu_ms:int8',
);

export const WORKER_COMMANDS = [
  show('WORKERS', 'the processes of the proxy', 'rows', WORKERS, (operations) => {
    const { user, system } = process.cpuUsage();
    const servers = operations.pools.flatMap((pool) => Object.values(pool.connections()).flat());
    return [
      [
        operations.worker,
        process.pid,
        operations.isDraining() ? 'draining' : 'serving',
        timeText(new Date(performance.timeOrigin)),
        [...operations.clients()].length,
        servers.length,
        process.memoryUsage.rss(),
        Math.round((user + system) / 1000),
      ],
    ];
  }),
];
