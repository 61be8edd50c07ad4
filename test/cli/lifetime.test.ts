// The life of a command that serves: the order of its end, and ends that go wrong.

import { describe, expect, it } from 'vitest';
import { type Part, serve } from '../../src/cli/lifetime.ts';

/** A part that notes in `events` what happens to it. */
function part(name: string, events: string[], close = () => Promise.resolve()): Part {
  return {
    name,
    close: () => {
      events.push(`close ${name}`);
      return close();
    },
    kill: () => events.push(`kill ${name}`),
  };
}

const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('exit');

describe('A signal', () => {
  it('closes the parts, the last started first, and leaves no listener', async () => {
    const events: string[] = [];
    const before = listeners();
    const served = serve(async (lifetime) => {
      for (const name of ['a', 'b', 'c']) lifetime.add(part(name, events));
      setImmediate(() => process.emit('SIGTERM'));
    });
    expect(await served).toBe(0);
    expect(events).toEqual(['close c', 'close b', 'close a']);
    expect(listeners()).toBe(before);
  });

  it('during the start makes a failure of the start an ordinary end', async () => {
    const events: string[] = [];
    const served = serve((lifetime) => {
      lifetime.add(part('a', events));
      process.emit('SIGINT');
      return Promise.reject(new Error('interrupted'));
    });
    expect(await served).toBe(0);
    expect(events).toEqual(['close a']);
  });
});

describe('A failure', () => {
  it('of the start is thrown after what was started is closed', async () => {
    const events: string[] = [];
    const served = serve((lifetime) => {
      lifetime.add(part('a', events));
      return Promise.reject(new Error('no'));
    });
    await expect(served).rejects.toThrow('no');
    expect(events).toEqual(['close a']);
  });

  it.each([
    ['that fails to close', () => Promise.reject(new Error('stuck')), 'stuck'],
    ['that does not close', () => new Promise<void>(() => {}), 'b does not close'],
  ])('of a part %s does not keep the others', async (_what, close, message) => {
    const events: string[] = [];
    const served = serve(async (lifetime) => {
      lifetime.add(part('a', events));
      lifetime.add(part('b', events, close));
      setImmediate(() => process.emit('SIGTERM'));
    }, 5);
    await expect(served).rejects.toThrow(message);
    expect(events).toEqual(['close b', 'kill b', 'close a']);
  });
});
