// SchemaHold: while tables change their kind nothing new is planned, by old knowledge or by new.

/** One of a process; several changes may hold it at the same time. */
export class SchemaHold {
  #count = 0;
  #opened = Promise.resolve();
  #open = (): void => undefined;

  /** Nothing may be planned now: to be asked where nobody can wait. */
  get isOn(): boolean {
    return this.#count > 0;
  }

  /** Resolves when planning goes on. */
  async ended(): Promise<void> {
    while (this.#count > 0) await this.#opened;
  }

  /** Returns what ends it, which may be called several times. */
  begin(): () => void {
    if (this.#count === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#opened = promise;
      this.#open = resolve;
    }
    this.#count += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#count -= 1;
      if (this.#count === 0) this.#open();
    };
  }
}
