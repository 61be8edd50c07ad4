// Recovery: finishes two-phase commits whose proxy did not live to finish them.

import {
  DECISION_KEPT_HOURS,
  RECOVERY_GRACE_MS,
  RECOVERY_LIVING_GRACE_MS,
} from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { quoteLiteral } from '../base/quote.ts';
import { atOnce, type Cluster } from '../execute/cluster.ts';
import { type Gids, readPart, settleDecision } from '../execute/two-phase.ts';
import { query, ServerError } from '../pool/query.ts';

const ABANDONED_SQL = `
  SELECT gid, prepared < pg_catalog.now() - interval '${RECOVERY_LIVING_GRACE_MS} milliseconds'
  FROM pg_catalog.pg_prepared_xacts
  WHERE database = pg_catalog.current_database()
    AND prepared < pg_catalog.now() - interval '${RECOVERY_GRACE_MS} milliseconds'
    AND pg_catalog.starts_with(gid, 'drive_')`;

const PURGE_SQL = `
  DELETE FROM drive.txlog
  WHERE decided_at < pg_catalog.now() - interval '${DECISION_KEPT_HOURS} hours'`;

const UNDEFINED_OBJECT = '42704';

export interface RecoveryOptions {
  readonly cluster: Cluster;
  /** This process's own. */
  readonly gids: Gids;
  /** The names of the processes of this proxy that are alive. */
  living(): Promise<readonly string[]>;
  readonly log: Logger;
}

/**
 * Any proxy may do it, several at once: the decider's row says what is right, and a part that
 * somebody else has finished meanwhile is finished. What a living process of this proxy has under way
 * is given more time, for an abort would be right but needless.
 */
export class Recovery {
  #options: RecoveryOptions;
  #cluster: Cluster;
  #log: Logger;
  #running = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#log = options.log;
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
    for (const [part, isStuck] of await this.#rows(shard, ABANDONED_SQL)) {
      const read = readPart(part!);
      if (read === null || this.#cluster.pools[read.decider] === undefined) {
        this.#log.error({ shard, part }, 'a prepared transaction names no shard of this cluster');
        continue;
      }
      const { gid, decider, name } = read;
      if (isStuck !== 't' && (await this.#isUnderWay(gid, name))) continue;
      await this.#finish(shard, part!, gid, decider);
    }
  }

  async #isUnderWay(gid: string, name: string): Promise<boolean> {
    const { gids, living } = this.#options;
    if (name === gids.name) return gids.isOpen(gid);
    return (await living()).includes(name);
  }

  async #finish(shard: number, part: string, gid: string, decider: number): Promise<void> {
    const decision = await settleDecision(this.#cluster, decider, gid);
    const verb = decision === 'commit' ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED';
    try {
      await this.#rows(shard, `${verb} ${quoteLiteral(part)}`);
      this.#log.warn({ shard, part, verb }, 'finished a transaction that its proxy had left');
    } catch (error) {
      // Somebody else was faster.
      if (!(error instanceof ServerError && error.fields.code === UNDEFINED_OBJECT)) throw error;
    }
  }

  async #purge(): Promise<void> {
    for (const { shard } of this.#cluster.pools) {
      try {
        await this.#rows(shard.id, PURGE_SQL);
      } catch (error) {
        this.#log.debug({ shard: shard.id, err: error }, 'old decisions could not be purged');
      }
    }
  }

  /** Statements that wait for what it is to finish may have all connections of the pool. */
  async #rows(shard: number, sql: string): Promise<readonly (readonly (string | null)[])[]> {
    return atOnce(this.#cluster, shard, async (connection) => (await query(connection, sql)).rows);
  }
}
