// Backends: the process ids that clients are given, as SQL asks about them and signals them.

import type { Description } from '../execute/describe.ts';
import { formattedFields } from '../execute/gather.ts';
import { formatAt } from '../execute/parameters.ts';
import type { SessionAction } from '../plan/action.ts';
import { encodeDataRowBody } from '../wire/row.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { answerGathered } from './portal-rows.ts';

/** What a session knows of the clients of its proxy. */
export interface Backends {
  /** The process id of the session's own client. */
  readonly processId: number;
  /**
   * Stops the statement of another client, or ends the client. Null: no client has this process id.
   * Throws 42501 when it is another user's.
   */
  signal(processId: number, how: 'cancel' | 'terminate'): Promise<true | null>;
}

type BackendAction = Extract<SessionAction, { action: 'backend' }>;

/** The value of the call; null: the process id is none of a client, and the server is to answer. */
export async function backendAnswer(
  { call, processId }: BackendAction,
  { parameters }: Execution,
  backends: Backends,
): Promise<BackendValue | null> {
  if (processId === null) return int4(backends.processId);
  const { values, formats } = parameters;
  const given =
    processId.from === 'constant' ? Buffer.from(processId.text) : values[processId.index];
  if (given === null || given === undefined) return null;
  const isBinary = processId.from === 'parameter' && formatAt(formats, processId.index) === 1;
  if (isBinary && given.length !== 4) return null;
  const id = isBinary ? given.readInt32BE(0) : Number(given.toString());
  const how = call === 'pg_cancel_backend' ? 'cancel' : 'terminate';
  return (await backends.signal(id, how)) === null ? null : TRUE;
}

/** A value in both formats. */
export interface BackendValue {
  readonly text: string;
  readonly binary: Buffer;
}

const TRUE: BackendValue = { text: 't', binary: Buffer.of(1) };

function int4(value: number): BackendValue {
  const binary = Buffer.alloc(4);
  binary.writeInt32BE(value);
  return { text: String(value), binary };
}

/** One row of one column, and everything else but ReadyForQuery. */
export function answerValue(
  { text, binary }: BackendValue,
  execution: Execution,
  description: Description,
  d: Pick<RunnerDependencies, 'client' | 'state'>,
): Promise<void> {
  const { resultFormats } = execution;
  const fields = formattedFields(description, resultFormats);
  const value = formatAt(resultFormats, 0) === 1 ? binary : Buffer.from(text);
  return answerGathered(
    { fields, rows: [encodeDataRowBody([value])], tag: 'SELECT 1' },
    execution,
    d,
  );
}
