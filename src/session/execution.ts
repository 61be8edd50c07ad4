// Execution: one statement to be run, from whichever protocol it came.

import type { BoundParameters } from '../execute/parameters.ts';
import type { Plan } from '../plan/plan.ts';
import type { BoundValues } from '../plan/route.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { AfterCopy } from './relay.ts';
import type { OpenPortal } from './state.ts';

export interface Execution {
  readonly sql: string;
  readonly plan: Plan;
  readonly values: BoundValues;
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** Extended protocol: how a single shard is sent it, and its row limit; null for a Query. */
  readonly extended: ExtendedExecution | null;
}

export interface ExtendedExecution {
  readonly open: OpenPortal;
  readonly maxRows: number;
  /** Where the client's Sync stands when the statement is a COPY. */
  readonly afterCopy: AfterCopy;
  /** RowDescription goes before the rows, as in a Query: SQL's EXECUTE. */
  readonly describes?: boolean;
  /** The messages that run the portal on this connection, ending in Sync, and their steps. */
  encode(connection: ServerConnection): { bytes: Buffer; steps: readonly Step[] };
}

/** A Query is answered with its RowDescription; in the extended protocol Describe asks for it. */
export const isDescribed = ({ extended }: Execution): boolean =>
  extended === null || extended.describes === true;
