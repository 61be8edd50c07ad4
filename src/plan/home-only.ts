// Home only: why the home shard must compute a statement on rows of shards, whatever its keys are.

import type { Call } from '../sql/expression.ts';
import type { Catalog } from '../topology/table.ts';
import { advisoryLockOf, notifies } from './functions.ts';

export type HomeOnlyReason = 'advisoryLock' | 'notification' | 'temporaryObject';

/** Of one statement: what it calls and names. */
export class HomeOnly {
  readonly #reasons = new Set<HomeOnlyReason>();
  /** An advisory lock of the session is taken or given back. */
  locksSession = false;

  get reason(): HomeOnlyReason | null {
    const [first = null] = this.#reasons;
    return first;
  }

  call(call: Call, { notifiesOnRows }: Catalog): void {
    const lock = advisoryLockOf(call);
    if (lock !== null) this.#reasons.add('advisoryLock');
    this.locksSession ||= lock === 'session';
    // Where routines notify on rows, all shards are heard.
    if (notifies(call) && !notifiesOnRows) this.#reasons.add('notification');
    this.name(call.schema);
  }

  /** Of a function or type: a session's own are on the home shard. */
  name(schema: string | null): void {
    if (/^pg_temp(_|$)/.test(schema ?? '')) this.#reasons.add('temporaryObject');
  }
}
