// ShardCounters: what the proxy has done with one shard so far, as plain numbers that only grow.

import { ErrorCounts } from '../base/error-counts.ts';
import { Latency } from '../base/latency.ts';

/** Its connections and its pool add to it in place; whoever reports reads it. */
export class ShardCounters {
  /** Requests answered by a ReadyForQuery, those the proxy makes for itself included. */
  readonly service = new Latency();
  /** Waits of borrowers that found no free connection. */
  readonly wait = new Latency();
  /** ErrorResponses the shard has sent. */
  readonly errors = new ErrorCounts();
  /** Connections handed out to one borrower. */
  assignments = 0;
  /** Statements put on a connection that sessions share. */
  sharedAssignments = 0;
  connectionsOpened = 0;
  connectionsFailed = 0;
  connectionsClosed = 0;
  /** Parse messages of named statements sent to the shard. */
  parses = 0;
  /** Of connections that are closed; those open add their own. */
  closedBytesReceived = 0;
  closedBytesSent = 0;
}
