// Session actions: what a session itself does about a statement.

import type { HandRoute } from '../sql/hand-route.ts';
import type { FetchClause } from '../sql/statement.ts';

export type { FetchClause } from '../sql/statement.ts';

/** Which of PostgreSQL's transaction commands a statement is. */
export type TransactionVerb =
  | { readonly verb: 'begin'; readonly modes?: true }
  | { readonly verb: 'commit' | 'rollback'; readonly chain: boolean }
  | { readonly verb: 'savepoint' | 'release' | 'rollbackTo'; readonly name: string };

/** What the session itself does about a statement, besides or instead of sending it on. */
export type SessionAction =
  | { readonly action: 'transaction'; readonly command: TransactionVerb }
  /**
   * SET [SESSION | LOCAL]: `name` in lower case; `assignment` is the text behind SET [SESSION |
   * LOCAL], to be replayed on other connections: `TimeZone TO 'UTC'`, `TIME ZONE 'UTC'`.
   */
  | {
      readonly action: 'set';
      readonly name: string;
      readonly assignment: string;
      readonly local: boolean;
    }
  /**
   * SELECT pg_backend_pid(), pg_cancel_backend(n) or pg_terminate_backend(n): of the process ids that
   * clients are given. `processId` null: its own is asked for.
   */
  | {
      readonly action: 'backend';
      readonly call: 'pg_backend_pid' | 'pg_cancel_backend' | 'pg_terminate_backend';
      readonly processId: ArgumentSource | null;
    }
  /** The statement calls currval() of these sequences, and lastval(), for which null stands. */
  | { readonly action: 'lastIds'; readonly sequences: readonly (ArgumentSource | null)[] }
  /** SET SESSION CHARACTERISTICS: the defaults of transactions that it sets, each as SET has it. */
  | {
      readonly action: 'characteristics';
      readonly modes: readonly { readonly name: string; readonly assignment: string }[];
    }
  /** The statement calls set_config(): what it has set is asked for when it has run. */
  | { readonly action: 'setConfig'; readonly calls: readonly ConfigCall[] }
  /** SET TRANSACTION SNAPSHOT. */
  | { readonly action: 'importSnapshot'; readonly id: string }
  /** RESET name, SET name TO DEFAULT; null is RESET ALL. */
  | { readonly action: 'reset'; readonly name: string | null; readonly local: boolean }
  /** SET drive.shard / drive.key / RESET of them: how this session's statements are routed. */
  | { readonly action: 'routeByHand'; readonly hand: HandRoute | null }
  | {
      readonly action: 'showRoute';
      readonly name: 'drive.shard' | 'drive.key' | 'drive.shards' | 'drive.tables' | 'drive.copied';
    }
  /** create_reference_table() and its kin; `table` as given: a name, qualified or not. */
  | {
      readonly action: 'tableKind';
      /** The function's name, which is that of the answer's column. */
      readonly call: string;
      readonly table: string;
      readonly kind: 'sharded' | 'reference' | 'home';
      readonly key: string | null;
    }
  | { readonly action: 'discard'; readonly target: 'all' | 'plans' | 'sequences' | 'temp' }
  /** PREPARE: `sql` is the text behind AS, with parameters of these types; 0: the server decides. */
  | {
      readonly action: 'prepare';
      readonly name: string;
      /** All of the text before `sql`. */
      readonly before: string;
      readonly sql: string;
      readonly parameterTypes: readonly number[];
    }
  | {
      readonly action: 'execute';
      readonly name: string;
      readonly args: readonly ExecuteArgument[];
      /** What is put before the text of the statement: EXPLAIN and its options, or ''. */
      readonly before: string;
    }
  /** null is DEALLOCATE ALL. */
  | { readonly action: 'deallocate'; readonly name: string | null }
  | {
      readonly action: 'cursor';
      readonly verb: 'declare' | 'close';
      /** null is CLOSE ALL. */
      readonly name: string | null;
    }
  | {
      readonly action: 'cursor';
      readonly verb: 'fetch';
      readonly name: string;
      readonly fetch: FetchClause;
    }
  /** WHERE CURRENT OF. `atHome`: in a write of a table that is on the home shard alone. */
  | {
      readonly action: 'cursor';
      readonly verb: 'current';
      readonly name: string;
      readonly atHome: boolean;
    };

/** An argument of a call whose value is known when the statement runs. */
export type ArgumentSource =
  | { readonly from: 'constant'; readonly text: string }
  /** A bound parameter, 0-based. */
  | { readonly from: 'parameter'; readonly index: number };

/** The first and the last argument of set_config(name, value, is_local). */
export interface ConfigCall {
  readonly name: ArgumentSource;
  /** null: only the server that runs it knows. */
  readonly local: ArgumentSource | null;
}

/** A constant given to EXECUTE: its SQL class and its value as text, '' for NULL. */
export interface ExecuteArgument {
  readonly type: 'integer' | 'decimal' | 'string' | 'boolean' | 'null';
  readonly text: string;
  /** The oid of the built-in type that it is cast to. */
  readonly cast?: number;
}
