// SHOW CLIENTS, SERVERS and PINS: every connection on either side of the proxy.

import type { ServerConnection } from '../pool/server-connection.ts';
import type { Client } from '../session/client.ts';
import { columns, show, type Value } from './command.ts';
import type { Operations } from './operations.ts';
import { splitWait } from './show-pools.ts';

const SOCKETS = columns(
  'type user database replication state addr port:int4 local_addr local_port:int4 connect_time ' +
    'request_time wait:int4 wait_us:int4 close_needed:int4 ptr link remote_pid:int4 tls ' +
    'application_name prepared_statements:int4 id:int4 worker:int4',
);

const PINS = columns('client_id:int4 user shard_id:int4 server_pid:int4 reasons worker:int4');

/** As pgbouncer writes times: `2026-01-31 23:59:59 UTC`. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const wallTime = (ms: number): string => timeText(new Date(performance.timeOrigin + ms));

const serverName = (server: ServerConnection): string =>
  `s${server.shard.id}:${server.identity.processId}`;

function clientState({ session }: Client): string {
  if (session.waitsFor !== null) return 'waiting';
  return session.phase === 'ready' && session.state.transaction === null ? 'idle' : 'active';
}

/** The servers a client has for itself, and the one that carries its statement. */
function serversOf({ session }: Client): readonly ServerConnection[] {
  const { transaction, pins } = session.state;
  const own = [...(transaction?.participants.values() ?? []), ...pins.connections()];
  return [...new Set([...session.busyConnections(), ...own])];
}

/** `application_name TO 'x'`, which is how settings are kept, → x. */
function applicationName({ session }: Client): string {
  const assignment = session.state.settings.current.assignments.get('application_name') ?? '';
  return /'(.*)'\s*$/s.exec(assignment)?.[1]?.replaceAll("''", "'") ?? '';
}

function clientRow(client: Client, nowMs: number, worker: number): Value[] {
  const { identity, session } = client;
  const state = clientState(client);
  return [
    ...['C', identity.user, identity.database, 'none', state],
    ...[identity.address, identity.port, identity.localAddress, identity.localPort],
    ...[timeText(identity.connectedAt), wallTime(session.sinceMs)],
    ...splitWait(state === 'waiting' ? nowMs - session.sinceMs : 0),
    ...[0, `c${identity.id}`, serversOf(client).map(serverName).join(','), 0, identity.tls],
    ...[applicationName(client), session.state.statements.size, identity.id, worker],
  ];
}

function serverRows({ pools, clients, worker }: Operations): Value[][] {
  const users = new Map<ServerConnection, string[]>();
  for (const client of clients()) {
    for (const server of serversOf(client)) {
      users.set(server, [...(users.get(server) ?? []), `c${client.identity.id}`]);
    }
  }
  return pools.flatMap((pool) =>
    Object.entries(pool.connections()).flatMap(([use, connections]) =>
      connections.map((server) => {
        const isActive = use === 'leased' || server.owedCount > 0;
        const state = isActive ? 'active' : 'idle';
        return [...serverRow(server, state, users.get(server) ?? []), worker];
      }),
    ),
  );
}

function serverRow(server: ServerConnection, state: string, users: readonly string[]): Value[] {
  const { shard, identity, traffic, tainted } = server;
  const { localAddress = '', localPort = 0 } = traffic;
  return [
    ...['S', shard.user, shard.database, 'none', state, shard.host, shard.port],
    ...[localAddress, localPort, wallTime(server.openedAtMs), wallTime(server.headSinceMs)],
    ...[0, 0, tainted ? 1 : 0, serverName(server), users.join(','), identity.processId, ''],
    ...['', server.statements.size, identity.processId],
  ];
}

export const SOCKET_COMMANDS = [
  show('CLIENTS', 'clients that are let in', 'rows', SOCKETS, ({ clients, nowMs, worker }) =>
    [...clients()].map((client) => clientRow(client, nowMs(), worker)),
  ),
  show('SERVERS', 'connections to the shards', 'rows', SOCKETS, serverRows),
  show(
    'PINS',
    'server connections that clients must keep, and why',
    'rows',
    PINS,
    ({ clients, worker }) =>
      [...clients()].flatMap(({ identity, session }) =>
        [...session.state.pins.entries()].map(({ shard, processId, reasons }) => [
          ...[identity.id, identity.user, shard, processId, reasons.join(', '), worker],
        ]),
      ),
  ),
];
