// Operations: what commands and metrics may see of a running proxy, and do to it.

import type { Config } from '../control/config.ts';
import type { Planner } from '../plan/planner.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Client } from '../session/client.ts';
import type { TableChange } from '../session/operate-table.ts';
import type { StatementNames } from '../session/prepared.ts';
import type { SessionCounters } from '../session/session-counters.ts';
import type { Topology } from '../topology/topology.ts';
import type { Statistics } from './statistics.ts';

export interface Operations {
  /** The proxy's own version. */
  readonly version: string;
  /** The configuration in force. */
  config(): Config;
  topology(): Topology;
  /** pools[i] serves shard i. */
  readonly pools: readonly ShardPool[];
  readonly planner: Planner;
  readonly statementNames: StatementNames;
  readonly counters: SessionCounters;
  readonly statistics: Statistics;
  clients(): Iterable<Client>;
  /** This process's number among the workers of the proxy; 0 where it is alone. */
  readonly worker: number;
  /** It takes no more clients. */
  isDraining(): boolean;
  /** Clients in their handshake. */
  strangerCount(): number;
  /** performance.now(), late by a few milliseconds: what sessions are timed by. */
  nowMs(): number;
  /**
   * Reads the configuration again and puts it in force. Resolves with what could not be, a line
   * each. Rejects with SqlError when it is wrong: nothing has changed then.
   */
  reload(): Promise<readonly string[]>;
  /**
   * Puts new workers in the place of those that run. Resolves, with what could not be put in force,
   * when the new ones take the clients to come. Rejects with SqlError: nothing has changed then.
   */
  restart(): Promise<readonly string[]>;
  /** Rejects with SqlError: nothing has changed then. */
  changeTable(change: TableChange): Promise<void>;
  /** Begins to end the process, gracefully. */
  shutdown(): void;
}
