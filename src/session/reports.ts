// Reports: ParameterStatus values that a client is told before its next ReadyForQuery, and notices, at once.

import type { ServerConnection } from '../pool/server-connection.ts';

/** As PostgreSQL does it: once a request, and only what differs from what was told before. */
export class Reports {
  /** Changed without the client's having been told. */
  #due = new Map<string, string>();
  /** As last told since the login. */
  #told = new Map<string, string>();
  /** As told at the login; of many sessions. */
  #greeted: ReadonlyMap<string, string> = new Map();
  /** Tells the client of a notice; null: nobody is there. */
  onNotice: ServerConnection['onNotice'] = null;

  /** The client has been told these values at its login. */
  greeted(values: ReadonlyMap<string, string>): void {
    this.#greeted = values;
  }

  /** The client is to be told `value` with the next ReadyForQuery. */
  set(name: string, value: string): void {
    this.#due.set(name, value);
  }

  /** A server has reported it in its answer. False: `withAnswer`, it passes on as it is. */
  reported(name: string, value: string, withAnswer: boolean): boolean {
    if (withAnswer) this.#told.set(name, value);
    else this.#due.set(name, value);
    return !withAnswer;
  }

  /** What is to be told now, which then counts as told. */
  due(): [name: string, value: string][] {
    const toldOf = (name: string) => this.#told.get(name) ?? this.#greeted.get(name);
    const due = [...this.#due].filter(([name, value]) => toldOf(name) !== value);
    for (const [name, value] of due) this.#told.set(name, value);
    this.#due.clear();
    return due;
  }
}
