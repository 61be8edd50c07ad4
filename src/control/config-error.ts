// ConfigError: what is wrong with the configuration, in one line with the place and the remedy.

/** `message` is one line: place, what is wrong, what is allowed. Never holds a secret's value. */
export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConfigError';
  }
}
