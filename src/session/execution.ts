// Execution: one statement to be run, from whichever protocol it came.

import { MERGE_BATCH_ROWS } from '../base/limits.ts';
import type { BoundParameters } from '../execute/parameters.ts';
import type { Plan } from '../plan/plan.ts';
import type { BoundValues } from '../plan/route.ts';
import type { ConnectionOwner, Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import type { CopyInbox } from './copy-inbox.ts';
import type { AfterCopy, Relay } from './relay.ts';
import type { OpenPortal, SessionState } from './state.ts';

/** One statement to be run, from whichever protocol it came. */
export interface Execution {
  readonly sql: string;
  readonly plan: Plan;
  readonly values: BoundValues;
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** Extended protocol: how a single shard is sent it, and its row limit; null for a Query. */
  readonly extended: ExtendedExecution | null;
  /** Its rows are asked for batch by batch, because other statements run between them. */
  readonly isBatched?: boolean;
}

export interface ExtendedExecution {
  readonly open: OpenPortal;
  readonly maxRows: number;
  /** Where the client's Sync stands when the statement is a COPY. */
  readonly afterCopy: AfterCopy;
  /** RowDescription goes before the rows, as in a Query: SQL's EXECUTE. */
  readonly describes?: boolean;
  /** The messages that run the portal on this connection, ending in Sync, and their steps; of `sql`. */
  encode(connection: ServerConnection, sql: string): { bytes: Buffer; steps: readonly Step[] };
}

/** Of a merge in a transaction; null: the client wants all rows at once. */
export function batchRowsOf({ extended, isBatched }: Execution): number | null {
  if (isBatched === true) return MERGE_BATCH_ROWS;
  const maxRows = extended?.maxRows ?? 0;
  return maxRows === 0 ? null : Math.min(maxRows, MERGE_BATCH_ROWS);
}

/** A Query is answered with its RowDescription; in the extended protocol Describe asks for it. */
export const isDescribed = ({ extended }: Execution): boolean =>
  extended === null || extended.describes === true;

export interface RunnerDependencies {
  readonly context: SessionContext;
  readonly state: SessionState;
  readonly client: ClientStream;
  readonly relay: Relay;
  readonly inbox: CopyInbox;
  /** Called when the server asks for CopyData: the session passes the client's on. */
  readonly copiesIn: () => void;
  /** The session, for messages that belong to no request. */
  readonly owner: ConnectionOwner;
}
