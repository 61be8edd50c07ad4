// SessionCounters: what all clients together have done so far, as plain numbers that only grow.

import { ErrorCounts } from '../base/error-counts.ts';
import { Latency } from '../base/latency.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** Ways of merging that change nothing on the shards. */
const READING_MERGES: ReadonlySet<string> = new Set([
  'concat',
  'aggregate',
  'engine',
  'copyOut',
  'explain',
  'engineCopy',
  'cursor',
]);

/**
 * Which way statements went. pipelined: one shard, on a connection that sessions share. grouped: one
 * shard, committed together with those of other sessions. leased: one
 * shard, on a connection of its own. transaction: one shard, within an open transaction. careful:
 * one shard, statement by statement, for what the relay lane cannot do (pins, routing by hand).
 * gathered: rows of several shards merged. written: changes on several shards. local: answered by
 * the proxy itself. command: BEGIN, COMMIT and their kin. refused: answered with 0A000.
 */
export interface RouteCounts {
  pipelined: number;
  grouped: number;
  leased: number;
  transaction: number;
  careful: number;
  gathered: number;
  written: number;
  local: number;
  command: number;
  refused: number;
}

/** Sessions add to it in place; whoever reports reads it. */
export class SessionCounters {
  readonly routes: RouteCounts = {
    pipelined: 0,
    grouped: 0,
    leased: 0,
    transaction: 0,
    careful: 0,
    gathered: 0,
    written: 0,
    local: 0,
    command: 0,
    refused: 0,
  };
  /** Errors the proxy itself has answered with. */
  readonly errors = new ErrorCounts();
  /** Requests that took the careful way, from their arrival to ReadyForQuery. */
  readonly carefulWay = new Latency();
  /** Clients let in. */
  logins = 0;
  /** Clients turned away. */
  loginsRefused = 0;
  /** Transactions that were not a single statement on the relay lane. */
  transactions = 0;
  /** Parse messages of clients. */
  parses = 0;
  /** Bind messages of clients. */
  binds = 0;
  /** Of clients that have gone; those that are here add their own. */
  goneBytesReceived = 0;
  goneBytesSent = 0;

  /** A statement goes to several shards, whose answers are merged in this way. */
  several(how: string): void {
    if (READING_MERGES.has(how)) this.routes.gathered += 1;
    else this.routes.written += 1;
  }

  /** A statement is answered with an error of the proxy's own. */
  failed(code: string): void {
    this.errors.add(code);
    if (code === SQLSTATE.featureNotSupported) this.routes.refused += 1;
  }

  /** Statements so far. */
  get statements(): number {
    let statements = 0;
    for (const count of Object.values(this.routes) as number[]) statements += count;
    return statements;
  }
}
