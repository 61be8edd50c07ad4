// LocalError: what keeps the local cluster from starting, in one line that says what to do.

/** The message is one line for a person at a terminal; `cause` has the technical side. */
export class LocalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalError';
  }
}
