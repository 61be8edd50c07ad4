// Damaged logins: nobody gets in without the password, and everybody with it still does.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodePassword, encodeSaslInitialResponse } from '../../src/wire/authentication.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { ScramClient } from '../../src/wire/scram.ts';
import { type HeardLog, heardLog } from '../support/heard-log.ts';
import { GIVEN_BACK_MS, holdings, NOTHING_HELD } from '../support/holdings.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { numberFromEnvironment, Random, seedFromEnvironment } from '../support/random.ts';
import { RawClient, rawMessage } from '../support/raw-client.ts';
import { mutate, split } from './mutation.ts';
import { startupOf } from './sessions.ts';

const SEED = seedFromEnvironment('FUZZ_SEED');
const LOGINS = 40 * numberFromEnvironment('FUZZ_SECONDS', 20);

let proxy: TestProxy;
let heard: HeardLog;

beforeAll(async () => {
  heard = heardLog();
  proxy = await startTestProxy({ log: heard.log, config: { pool: { idleTimeoutMs: 500 } } });
});

afterAll(() => proxy.close());

/** One login without the right password; gives the letters of what came back. */
async function intrude(random: Random): Promise<string> {
  const client = await RawClient.open(proxy.login);
  client.socket.on('error', () => client.destroy());
  const first = new ScramClient('guessed').first();
  const messages = [
    startupOf(random, proxy.login),
    encodeSaslInitialResponse(random.pick(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'MD5']), first),
    random.pick([rawMessage('p', random.bytes(60)), encodePassword('guessed')]),
    encodeQuery('SELECT 1'),
    rawMessage('X'),
  ];
  const damaged = mutate(messages, random, random.pick([0, 1, 2, 4]));
  for (const piece of split(Buffer.concat(damaged), random)) {
    if (client.ended || client.socket.destroyed) break;
    client.send(piece);
  }
  if (random.chance(0.3)) client.socket.resetAndDestroy();
  else client.socket.end();
  const answer = await client.untilEnd();
  client.destroy();
  return answer.map(({ type }) => type).join('');
}

it(
  `Damaged logins end without a session (FUZZ_SEED=${SEED})`,
  async () => {
    const random = new Random(SEED);
    const within = (answer: string): boolean => /[ZKTD]/.test(answer);
    for (let i = 0; i < LOGINS; i += 8) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => intrude(random.fork())));
      expect(answers.filter(within)).toEqual([]);
    }
    const client = await RawClient.login(proxy.login);
    expect(await client.rows('SELECT 1')).toEqual([['1']]);
    await client.close();
    const held = () => holdings(proxy.shards);
    await expect.poll(held, { timeout: GIVEN_BACK_MS, interval: 250 }).toEqual(NOTHING_HELD);
    expect(heard.errors).toEqual([]);
  },
  2 * GIVEN_BACK_MS + LOGINS * 100,
);
