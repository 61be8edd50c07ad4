// GroupedShipment: one client's statement in a group that is committed together.

import type { SqlError } from '../base/errors.ts';
import { GROUP_STATEMENT_BYTES_MAX } from '../base/limits.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { READY_IDLE } from '../wire/status.ts';
import { encodeBatch } from './batch-encode.ts';
import type { ClientStream } from './client-stream.ts';
import { isOutdated, type SessionContext } from './context.ts';
import type { GroupCommit, GroupMember, GroupPart } from './group-commit.ts';
import { encodeKept } from './kept-statement.ts';
import type { Shipment } from './shipment.ts';
import type { SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

export interface GroupedShipmentOwner {
  /** Committed and answered; or `lost` with its connection, and nobody knows. */
  groupEnded(lost: SqlError | null): void;
  /** Nothing was done, and nothing is to be. */
  groupFailed(error: SqlError): void;
  /** Nothing was done: it is to be planned anew, and run by itself. */
  groupUndone(): void;
}

/** Carries one shipment at a time; each ends in exactly one call of the owner's. */
export class GroupedShipment implements GroupMember {
  #context: SessionContext;
  #state: SessionState;
  #client: ClientStream;
  #owner: GroupedShipmentOwner;
  #shipment: Shipment | null = null;
  #group: GroupCommit | null = null;
  #isSent = false;
  /** Why the client does not want it any more, which has been sent. */
  #stopped: SqlError | null = null;

  constructor(
    context: SessionContext,
    state: SessionState,
    client: ClientStream,
    owner: GroupedShipmentOwner,
  ) {
    this.#context = context;
    this.#state = state;
    this.#client = client;
    this.#owner = owner;
  }

  /** It waits for its group's connection. */
  get isWaiting(): boolean {
    return this.#group !== null && !this.#isSent;
  }

  /** False: it must be run by itself. */
  join(shipment: Shipment): boolean {
    const group = this.#context.groups[shipment.shard]!;
    if (!group.isOn || !canJoin(shipment, shipment.cost!)) return false;
    this.#shipment = shipment;
    this.#isSent = false;
    this.#stopped = null;
    this.#group = group;
    group.add(this, this.#state.settings.current);
    return true;
  }

  /** What was sent may still be committed, which is then what the client hears. False: not here. */
  stop(error: SqlError): boolean {
    const group = this.#group;
    if (group === null) return false;
    if (group.withdraw(this)) {
      this.refused(error);
      return true;
    }
    this.#stopped = error;
    // A client that has gone need not hear of it, and others would have to begin anew.
    if (this.#state.ended === null) group.cancel(this);
    return true;
  }

  get isOutdated(): boolean {
    return isOutdated(this.#context, this.#shipment!.version);
  }

  encode(connection: ServerConnection): GroupPart {
    this.#isSent = true;
    const { content, cost, literals } = this.#shipment!;
    if (Buffer.isBuffer(content)) {
      return encodeKept(cost!.kept!, literals!, 'rows', connection, this.#state.reading);
    }
    return encodeBatch(content, connection, this.#state, true);
  }

  committed(answer: readonly Buffer[], ms: number): void {
    const bytes = Buffer.concat([...answer, READY_IDLE]);
    this.#shipment!.cost!.observe(ms, bytes.length, true);
    this.#client.pass(bytes);
    this.#group = null;
    this.#owner.groupEnded(null);
  }

  rolledBack(own: boolean): void {
    if (own) this.#shipment!.cost!.refuse();
    this.#group = null;
    if (this.#stopped === null) this.#owner.groupUndone();
    else this.#owner.groupFailed(this.#stopped);
  }

  lost(error: SqlError): void {
    this.#group = null;
    this.#owner.groupEnded(error);
  }

  refused(error: SqlError): void {
    this.#group = null;
    this.#owner.groupFailed(error);
  }
}

/** Its statement is one that servers keep under a name, and runs to its end at once. */
function canJoin({ content, literals }: Shipment, { kept, isKeepable }: StatementCost): boolean {
  if (!isKeepable) return false;
  if (Buffer.isBuffer(content)) {
    return kept !== null && literals !== null && content.length <= GROUP_STATEMENT_BYTES_MAX;
  }
  let bytes = 0;
  for (const message of content.messages) {
    bytes += message.bytes.length;
    if (message.kind === 'execute' && message.execute.maxRows !== 0) return false;
    if (message.kind === 'bind' && message.bind.statement === '' && !content.isRepeatable) {
      return false;
    }
  }
  return bytes <= GROUP_STATEMENT_BYTES_MAX;
}
