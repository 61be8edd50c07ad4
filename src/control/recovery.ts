// Recovery: finishes two-phase commits whose proxy did not live to finish them.

import { DECISION_KEPT_HOURS, RECOVERY_GRACE_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { borrow, type Cluster, giveBack } from '../execute/cluster.ts';
import { deciderOf, settleDecision } from '../execute/two-phase.ts';
import { query, ServerError } from '../pool/query.ts';
import { NO_SETTINGS, quoteLiteral } from '../pool/settings.ts';

const ABANDONED_SQL = `
  SELECT gid FROM pg_catalog.pg_prepared_xacts
  WHERE database = pg_catalog.current_database()
    AND prepared < pg_catalog.now() - interval '${RECOVERY_GRACE_MS} milliseconds'
    AND pg_catalog.starts_with(gid, 'drive_')`;

const PURGE_SQL = `
  DELETE FROM drive.txlog
  WHERE decided_at < pg_catalog.now() - interval '${DECISION_KEPT_HOURS} hours'`;

const UNDEFINED_OBJECT = '42704';

/**
 * Any proxy may do it, several at once: the decider's row says what is right, and a part that
 * somebody else has finished meanwhile is finished.
 */
export class Recovery {
  #cluster: Cluster;
  #log: Logger;
  #running = false;

  constructor(cluster: Cluster, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** One round over the shards that are up. Never rejects: what fails is logged and comes again. */
  async run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    let complete = true;
    for (const { shard } of this.#cluster.pools) {
      try {
        await this.#finishOn(shard.id);
      } catch (error) {
        complete = false;
        this.#log.debug({ shard: shard.id, err: error }, 'recovery could not look at a shard');
      }
    }
    // Old decisions may go only when no shard can still hold a part that asks for them.
    if (complete) await this.#purge();
    this.#running = false;
  }

  async #finishOn(shard: number): Promise<void> {
    for (const gid of await this.#column(shard, ABANDONED_SQL)) {
      const decider = deciderOf(gid);
      if (decider === null || this.#cluster.pools[decider] === undefined) {
        this.#log.error({ shard, gid }, 'a prepared transaction names no shard of this cluster');
        continue;
      }
      const decision = await settleDecision(this.#cluster, decider, gid);
      const verb = decision === 'commit' ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED';
      try {
        await this.#column(shard, `${verb} ${quoteLiteral(gid)}`);
        this.#log.warn({ shard, gid, verb }, 'finished a transaction that its proxy had left');
      } catch (error) {
        // Somebody else was faster.
        if (!(error instanceof ServerError && error.fields.code === UNDEFINED_OBJECT)) throw error;
      }
    }
  }

  async #purge(): Promise<void> {
    for (const { shard } of this.#cluster.pools) {
      try {
        await this.#column(shard.id, PURGE_SQL);
      } catch (error) {
        this.#log.debug({ shard: shard.id, err: error }, 'old decisions could not be purged');
      }
    }
  }

  async #column(shard: number, sql: string): Promise<string[]> {
    const connection = await borrow(this.#cluster, shard, NO_SETTINGS);
    try {
      const { rows } = await query(connection, sql);
      return rows.flatMap((row) => row[0] ?? []);
    } finally {
      giveBack(this.#cluster, connection);
    }
  }
}
