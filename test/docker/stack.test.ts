// docker-compose up as a user runs it: needs a Docker engine, and says so where there is none.

import { fileURLToPath } from 'node:url';
import {
  DockerComposeEnvironment,
  getContainerRuntimeClient,
  type StartedDockerComposeEnvironment,
} from 'testcontainers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

type Runtime = Awaited<ReturnType<typeof getContainerRuntimeClient>>;

const NETWORK = 'observability-net';
const START_MS = 600_000;

async function findEngine(): Promise<Runtime | null> {
  try {
    return await getContainerRuntimeClient();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`docker-compose up is not tested here: no Docker engine (${reason})\n`);
    return null;
  }
}

const engine = await findEngine();

describe.runIf(engine !== null)('docker-compose up (needs a Docker engine)', () => {
  let stack: StartedDockerComposeEnvironment;

  beforeAll(async () => {
    const { dockerode } = engine!.container;
    const networks = await dockerode.listNetworks({ filters: { name: [NETWORK] } });
    if (!networks.some(({ Name }) => Name === NETWORK)) {
      await dockerode.createNetwork({ Name: NETWORK });
    }
    const project = fileURLToPath(new URL('../..', import.meta.url));
    const compose = new DockerComposeEnvironment(project, 'docker-compose.yml');
    stack = await compose.withBuild().withStartupTimeout(START_MS).up();
  }, START_MS);

  afterAll(async () => {
    await stack?.down({ removeVolumes: true });
  }, START_MS);

  test('the API runs on 8000 and writes through the proxy to both shards', async () => {
    const root = await fetch('http://127.0.0.1:8000/');
    expect(await root.json()).toMatchObject({ status: 'running', num_shards: 2 });
    const bulk = await fetch('http://127.0.0.1:8000/ingest/bulk?count=100', { method: 'POST' });
    expect(await bulk.json()).toMatchObject({ distribution: { '0': 50, '1': 50 } });
  });
});
