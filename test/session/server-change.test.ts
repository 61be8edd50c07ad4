// Scripts again, each step on server connections that have just served somebody else or are new.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Operator, operate, TRUST } from '../admin/operator.ts';
import { RawClient } from '../support/raw-client.ts';
import { openTranscriptStand, SCRIPTS, type TranscriptStand } from './transcript-stand.ts';

/** What a statement can see of its server connection that is not its own session's. */
const FINGERPRINT = `SELECT current_user, session_user,
  (SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings
    WHERE name NOT LIKE 'plpgsql.%'),
  (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'),
  (SELECT count(*) FROM pg_cursors WHERE name <> ''),
  (SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE 'drive\\_%'),
  (SELECT count(*) FROM pg_listening_channels()),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())`;

let stand: TranscriptStand;
let operator: Operator;
let other: RawClient;
let clean: unknown;

const look = async () => [
  await other.rows(`/* drive.shard=0 */ ${FINGERPRINT}`),
  await other.rows(`/* drive.shard=1 */ ${FINGERPRINT}`),
];

beforeAll(async () => {
  stand = await openTranscriptStand({ config: { proxy: TRUST } });
  operator = await operate(stand.proxy);
  other = await RawClient.login(stand.proxy.login, {
    parameters: { application_name: 'other', TimeZone: 'America/Lima', work_mem: '1234kB' },
  });
  clean = await look();
});

afterAll(async () => {
  await other.close();
  await operator.close();
  await stand.close();
});

describe.each(SCRIPTS)('%s', (_, scripts) => {
  it.each(Object.entries(scripts))('%s: survives the change of its servers', async (_, steps) => {
    const [plain, proxied] = await stand.answers(steps, () => operator.run('RECONNECT'));
    expect(proxied).toBe(plain);
  });

  it.each(Object.entries(scripts))('%s: is not seen by the next client', async (_, steps) => {
    const [plain, proxied] = await stand.answers(steps, async () => {
      expect(await look()).toEqual(clean);
    });
    expect(proxied).toBe(plain);
    expect(await look()).toEqual(clean);
  });
});
