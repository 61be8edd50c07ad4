// Message seal: tells what a proxy has said on a channel from what anybody else may say there.

import { createHmac, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const deriveKey = promisify<string, string, number, Buffer>(scrypt);

const KEY_BYTES = 32;

/** Characters of an HMAC-SHA-256 in base64url. */
const SEAL_CHARS = 43;

/**
 * An HMAC before the text, over it and the server process that sends it: PostgreSQL tells who has sent
 * a notification, so that one that was overheard is worth nothing to another session.
 */
export class MessageSeal {
  #key: Buffer;

  private constructor(key: Buffer) {
    this.#key = key;
  }

  /**
   * Whoever has the same `secret`, for the same `purpose`, opens what is sealed. The secret may be a password:
   * the key is costly to derive, since anybody may see sealed messages, and guess.
   */
  static async of(secret: string, purpose: string): Promise<MessageSeal> {
    return new MessageSeal(await deriveKey(secret, purpose, KEY_BYTES));
  }

  seal(text: string, processId: number): string {
    return this.#mac(text, processId) + text;
  }

  /** The text; null: it was not sealed with this secret, or for another process. */
  open(sealed: string, processId: number): string | null {
    const text = sealed.slice(SEAL_CHARS);
    const [given, right] = [sealed.slice(0, SEAL_CHARS), this.#mac(text, processId)].map((mac) =>
      Buffer.from(mac),
    ) as [Buffer, Buffer];
    return given.length === right.length && timingSafeEqual(given, right) ? text : null;
  }

  #mac(text: string, processId: number): string {
    return createHmac('sha256', this.#key).update(`${processId} ${text}`).digest('base64url');
  }
}
