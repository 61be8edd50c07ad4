// Channel: questions and answers between two processes, each with a deadline.

import { SqlError, type SqlErrorFields } from '../base/errors.ts';
import { CHANNEL_ASKS_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** Where the messages of a process go and come from: `process`, or a child process. */
export interface Port {
  readonly connected: boolean;
  send?(message: unknown, sent: (error: Error | null) => void): boolean;
  on(event: 'message', heard: (message: unknown) => void): unknown;
  on(event: 'disconnect', lost: () => void): unknown;
}

/** What one side answers: each question by its name, with one argument that can be cloned. */
export type Answers<T> = { readonly [K in keyof T]: (argument: never) => unknown };

type Argument<T, K extends keyof T> = T[K] extends (argument: infer A) => unknown ? A : never;
type Result<T, K extends keyof T> = T[K] extends (argument: never) => infer R ? Awaited<R> : never;

/** `ask` 0: nobody waits for an answer. */
type Message =
  | { readonly ask: number; readonly name: string; readonly argument: unknown }
  | { readonly answer: number; readonly result: unknown }
  | { readonly answer: number; readonly error: SqlErrorFields };

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** `Mine`: what this side answers; `Theirs`: what may be asked of the other. */
export class Channel<Mine extends Answers<Mine>, Theirs extends Answers<Theirs>> {
  /** Called once, when the other side has gone. */
  onLost: (() => void) | null = null;

  #port: Port;
  #answers: Mine;
  #pending = new Map<number, Pending>();
  #last = 0;
  #isLost = false;

  constructor(port: Port, answers: Mine) {
    this.#port = port;
    this.#answers = answers;
    port.on('message', (message) => this.#heard(message as Message));
    port.on('disconnect', () => this.lose());
  }

  /**
   * Rejects with the SqlError that the other side throws, with 57P01 when it has gone, with 57014
   * when it does not answer within `deadlineMs`; null: it may take as long as it likes.
   */
  ask<K extends keyof Theirs & string>(
    name: K,
    argument: Argument<Theirs, K>,
    deadlineMs: number | null,
  ): Promise<Result<Theirs, K>> {
    if (this.#isLost) return Promise.reject(gone());
    if (this.#pending.size >= CHANNEL_ASKS_MAX) return Promise.reject(overloaded());
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      const timer =
        deadlineMs === null ? undefined : setTimeout(() => settle(reject)(late()), deadlineMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          this.#pending.delete(id);
          then(value);
        };
      this.#pending.set(id, {
        resolve: settle(resolve as (result: unknown) => void),
        reject: settle(reject),
      });
      this.#send({ ask: id, name, argument });
    });
  }

  /** Says something that needs no answer. */
  tell<K extends keyof Theirs & string>(name: K, argument: Argument<Theirs, K>): void {
    if (!this.#isLost) this.#send({ ask: 0, name, argument });
  }

  #send(message: Message): void {
    // What cannot be sent is to a process that is just ending: `disconnect` follows.
    if (this.#port.connected) this.#port.send?.(message, () => undefined);
  }

  #heard(message: Message): void {
    if ('ask' in message) {
      void this.#answer(message.ask, message.name, message.argument);
      return;
    }
    const pending = this.#pending.get(message.answer);
    if (pending === undefined) return;
    if ('error' in message) pending.reject(new SqlError(message.error));
    else pending.resolve(message.result);
  }

  async #answer(id: number, name: string, argument: unknown): Promise<void> {
    try {
      const run: ((argument: never) => unknown) | undefined = this.#answers[name as keyof Mine];
      if (run === undefined) throw unknownQuestion(name);
      const result = await run(argument as never);
      if (id !== 0) this.#send({ answer: id, result });
    } catch (error) {
      if (id !== 0) this.#send({ answer: id, error: fieldsOf(error) });
    }
  }

  /** The other side has gone. */
  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const { reject } of [...this.#pending.values()]) reject(gone());
    this.onLost?.();
  }
}

/** Between the processes of one proxy nothing is hidden: a defect is told by its own words. */
function fieldsOf(error: unknown): SqlErrorFields {
  if (error instanceof SqlError) {
    const { code, message, detail, hint, severity } = error;
    return { code, message, detail, hint, severity };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: SQLSTATE.internalError, message };
}

function gone(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'a process of the proxy has ended',
    severity: 'FATAL',
  });
}

function late(): SqlError {
  return new SqlError({
    code: SQLSTATE.queryCanceled,
    message: 'a process of the proxy does not answer',
  });
}

function overloaded(): SqlError {
  return new SqlError({
    code: SQLSTATE.tooManyConnections,
    message: 'the processes of the proxy ask each other too much',
    severity: 'FATAL',
  });
}

/** 0A000: the other side is another version of the program. */
function unknownQuestion(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `a process of the proxy is asked for "${name}", which it does not know`,
    hint: 'Stop the proxy and start it anew: its versions do not understand each other.',
  });
}
