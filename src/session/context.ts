// SessionContext: what all sessions of a proxy share, and the bounds they keep.

import type { CoarseClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Cluster } from '../execute/cluster.ts';
import type { SchemaHold } from '../execute/schema-hold.ts';
import type { TwoPhase } from '../execute/two-phase.ts';
import type { LeafJoin } from '../plan/engine-plan.ts';
import type { EngineInput, EngineLeaf } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Topology } from '../topology/topology.ts';
import type { GroupCommit } from './group-commit.ts';
import type { StatementNames } from './prepared.ts';
import type { SessionCounters } from './session-counters.ts';
import type { StatementCosts } from './statement-cost.ts';

export interface SessionContext {
  /** The snapshot to plan with now. */
  topology(): Topology;
  readonly planner: Planner;
  readonly cluster: Cluster;
  /** Of each shard. */
  readonly groups: readonly GroupCommit[];
  readonly twoPhase: TwoPhase;
  readonly statementNames: StatementNames;
  readonly costs: StatementCosts;
  readonly counters: SessionCounters;
  readonly clock: CoarseClock;
  /** ParameterStatus values of a server connection without settings. */
  serverParameters(): ReadonlyMap<string, string>;
  /** Behind DDL that is committed: resolves when every process of the proxy plans with it. Never rejects. */
  schemaChanged(): Promise<void>;
  /** Of this process: whoever is about to plan waits while it is on. */
  readonly hold: SchemaHold;
  /**
   * Resolves when no process of any proxy plans, with what ends it. Rejects with 55006 when one cannot
   * be told.
   */
  holdPlanning(): Promise<() => void>;
  /** Tables that are unknown, by their names: resolves when this process knows those that are there now. */
  lookFor(tables: readonly string[]): Promise<void>;
  /** The topology inside a transaction that has changed the schema, by its connections. */
  topologyWithin(participants: ReadonlyMap<number, ServerConnection>): Promise<Topology>;
  /** The configured database name of the sharded whole. */
  readonly database: string;
  readonly mergeRowsMax: number;
  readonly mergeBytesMax: number;
  readonly spillBytesMax: number;
  readonly inlineRowsMax: number;
  /** Statements, and leaves of them, whose rows were too many to be parameters the last time. */
  readonly largeInputs: WeakSet<EngineInput | EngineLeaf | LeafJoin>;
  readonly log: Logger;
}

/** The context as one session sees it: with the session's own topology while it has one. */
export function contextOf(
  context: SessionContext,
  state: { readonly topology: Topology | null },
): SessionContext {
  return Object.create(context, {
    topology: { value: () => state.topology ?? context.topology() },
    // Another connection would wait for the locks of this session's own transaction.
    lookFor: {
      value: (tables: readonly string[]) =>
        state.topology === null ? context.lookFor(tables) : Promise.resolve(),
    },
  }) as SessionContext;
}

/** The schema has changed, or is about to, since `version`: what was planned then may go elsewhere. */
export const isOutdated = ({ hold, topology }: SessionContext, version: number): boolean =>
  hold.isOn || topology().version !== version;
