// The pieces of workers by themselves: combined answers, standing orders, places, shares, channel.

import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { CHANNEL_ASKS_MAX, WORKER_NUMBERS } from '../../src/base/limits.ts';
import { SQLSTATE } from '../../src/base/sqlstate.ts';
import {
  type Answer,
  columns,
  done,
  type OverWorkers,
  type Row,
} from '../../src/commands/command.ts';
import { commandNamed } from '../../src/commands/commands.ts';
import { combineAnswers, noticesOf } from '../../src/commands/over-workers.ts';
import { loadConfig } from '../../src/control/config.ts';
import { poolOf } from '../../src/control/reload.ts';
import { Seats } from '../../src/session/seats.ts';
import { drawProcessId, workerOf } from '../../src/session/siblings.ts';
import { Channel } from '../../src/workers/channel.ts';
import { withOrder } from '../../src/workers/orders.ts';

const SHAPE = columns('name:text limit:int4 used:int4+ wait:int4> wait_us:int4> status< error<');

const answer = (...rows: Row[]): Answer => ({
  table: { columns: SHAPE, rows },
  tag: 'SHOW',
  notices: [],
});

const command = (over: OverWorkers) => ({ ...commandNamed('SHOW POOLS')!, over });

const failed = (code: SqlError['code']) => new SqlError({ code, message: 'no' });

describe('Answers of several workers', () => {
  it('are combined by row and column', () => {
    const one = answer(['a', 10, 1, 2, 900, 'up', null], ['b', 20, 3, 0, 0, 'up', null]);
    const other = answer(['a', 10, 4, 3, 100, 'down', 'gone'], ['b', 20, 0, 0, 5, 'up', null]);
    expect(combineAnswers(command('combined'), [one, other]).table?.rows).toEqual([
      ['a', 10, 5, 3, 100, 'down', 'gone'],
      ['b', 20, 3, 0, 5, 'up', null],
    ]);
  });

  it('keep rows of one name apart, and rows that only one worker has', () => {
    const one = answer(['a', 1, 1, 0, 0, 'up', null], ['a', 2, 1, 0, 0, 'up', null]);
    const other = answer(
      ['a', 1, 1, 0, 0, 'up', null],
      ['a', 2, 5, 0, 0, 'up', null],
      ['new', 3, 7, 0, 0, 'up', null],
    );
    const { table } = combineAnswers(command('combined'), [one, other]);
    expect(table?.rows.map((row) => row.slice(0, 3))).toEqual([
      ['a', 1, 2],
      ['a', 2, 6],
      ['new', 3, 7],
    ]);
  });

  it('of SHOW STATS weigh the mean times by what was counted', () => {
    const stats = commandNamed('SHOW STATS_AVERAGES')!;
    const row = (queries: number, time: number): Row =>
      stats.columns!.map(({ name }) => {
        if (name === 'database') return 'drive';
        if (name === 'query_count') return queries;
        return name === 'query_time' ? time : 0;
      });
    const outcomes = [row(90, 10), row(10, 110)].map((each) => ({
      table: { columns: stats.columns!, rows: [each] },
      tag: 'SHOW',
      notices: [],
    }));
    const [combined] = combineAnswers(stats, outcomes).table!.rows;
    const at = (name: string) => combined![stats.columns!.findIndex((each) => each.name === name)];
    expect([at('query_count'), at('query_time'), at('xact_time')]).toEqual([100, 20, 0]);
  });

  it('are all rows where each worker has its own', () => {
    const one = answer(['a', 1, 1, 0, 0, 'up', null]);
    expect(combineAnswers(command('rows'), [one, one]).table?.rows.length).toBe(2);
  });

  it('of orders fail with the first error, or where all fail', () => {
    const ended = (count: number): Answer => ({ ...done('KILL'), ended: count });
    const nobody = failed(SQLSTATE.undefinedObject);
    expect(() => combineAnswers(command('every'), [done('PAUSE'), nobody])).toThrow(nobody);
    expect(() => combineAnswers(command('any'), [nobody, nobody])).toThrow(nobody);
    const killed = combineAnswers(command('any'), [nobody, ended(1), ended(2)]);
    expect(noticesOf(killed)).toEqual(['clients ended: 3']);
  });
});

it('Every command that shows rows of a worker says whose they are', () => {
  for (const name of ['CLIENTS', 'SERVERS', 'PINS', 'PLANS', 'PREPARED', 'MEM', 'WORKERS']) {
    const { over, columns: shape } = commandNamed(`SHOW ${name}`)!;
    expect([name, over, shape!.some((column) => column.name === 'worker')]).toEqual([
      name,
      'rows',
      true,
    ]);
  }
});

it('Standing orders: the last one about a shard holds, one about all makes void what was before', () => {
  const of = (...texts: string[]) =>
    texts
      .map((text) => {
        const [name = '', argument = ''] = text.split(' ');
        return { command: name, argument };
      })
      .reduce(withOrder, [] as readonly { command: string; argument: string }[])
      .map((order) => `${order.command} ${order.argument}`.trim());
  expect(of('PAUSE 1', 'DISABLE 0', 'PAUSE 1')).toEqual(['DISABLE 0', 'PAUSE 1']);
  expect(of('PAUSE 1', 'RESUME 1')).toEqual(['RESUME 1']);
  expect(of('PAUSE', 'RESUME 1')).toEqual(['PAUSE', 'RESUME 1']);
  expect(of('PAUSE 0', 'RESUME 1', 'DISABLE 1', 'RESUME')).toEqual(['DISABLE 1', 'RESUME']);
  expect(of('RECONNECT 1', 'KILL 7')).toEqual([]);
});

describe('Places', () => {
  const rules = { clientsMax: 2, clientsMaxOf: new Map([['few', 1]]) };

  it('are counted exactly, those of a user from the login on', () => {
    const seats = new Seats(rules);
    const [one, other] = [seats.take(false), seats.take(false)];
    expect(() => seats.take(false)).toThrow(/too many clients/);
    seats.claim(one, 'few');
    expect(() => seats.claim(other, 'few')).toThrow(/role "few"/);
    seats.leave(other);
    seats.leave(one);
    const again = seats.take(false);
    seats.claim(again, 'few');
    expect(() => [seats.take(false), seats.take(false)]).toThrow(/too many clients/);
  });

  it('leave room for three operators when all are taken', () => {
    const seats = new Seats(rules);
    const clients = [seats.take(false), seats.take(false)];
    for (let i = 0; i < 3; i++) seats.take(true);
    expect(() => seats.take(true)).toThrow(/too many clients/);
    // Operators take no client's place.
    seats.leave(clients[0]!);
    seats.take(false);
  });

  it('are given back once', async () => {
    const seats = new Seats({ ...rules, clientsMax: 1 });
    const seat = await seats.seat(false);
    seat.leave();
    seat.leave();
    const next = await seats.seat(false);
    await expect(seats.seat(false)).rejects.toMatchObject({ code: '53300' });
    next.leave();
  });
});

it('The shares of a pool add up to its size, and none is empty', () => {
  const config = loadConfig({ env: { DB_SHARD_0_HOST: 'a', DRIVE_POOL_SIZE: '7' } });
  const sizes = (of: number) =>
    Array.from({ length: of }, (_, index) => poolOf(config, 0, { index, of }).size);
  expect(sizes(1)).toEqual([7]);
  expect(sizes(3)).toEqual([3, 2, 2]);
  expect(sizes(7)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  expect(Math.min(...sizes(9))).toBe(1);
});

it('A process id is a positive int4 that names its worker', () => {
  for (const worker of [0, 1, WORKER_NUMBERS - 1]) {
    for (let i = 0; i < 200; i++) {
      const id = drawProcessId(worker);
      expect(workerOf(id)).toBe(worker);
      expect(id).toBeGreaterThan(0);
      expect(id | 0).toBe(id);
    }
  }
});

/** One end of a pair of processes; what it sends is heard by the other end a turn later. */
class End extends EventEmitter {
  connected = true;
  other: End | null = null;

  send(message: unknown, sent: (error: Error | null) => void): boolean {
    setImmediate(() => {
      this.other?.emit('message', structuredClone(message));
      sent(null);
    });
    return true;
  }
}

interface Left {
  double(n: number): number;
  fail(argument: null): void;
  stay(argument: null): Promise<void>;
}
type Right = Record<never, never>;

function pair() {
  const [left, right] = [new End(), new End()];
  left.other = right;
  right.other = left;
  const heard: number[] = [];
  new Channel<Left, Right>(left, {
    double: (n) => {
      heard.push(n);
      return 2 * n;
    },
    fail: () => {
      throw new SqlError({ code: SQLSTATE.undefinedObject, message: 'no', hint: 'Try.' });
    },
    stay: () => new Promise(() => undefined),
  });
  return { asker: new Channel<Right, Left>(right, {}), right, heard };
}

describe('A channel', () => {
  it('answers each question with its own answer, and passes errors on', async () => {
    const { asker } = pair();
    const answers = [1, 2, 3].map((n) => asker.ask('double', n, 1_000));
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
    const error: unknown = await asker.ask('fail', null, 1_000).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SqlError);
    expect(error).toMatchObject({ code: '42704', message: 'no', hint: 'Try.' });
  });

  it('gives up at the deadline, and a late answer harms nobody', async () => {
    const { asker } = pair();
    await expect(asker.ask('stay', null, 1)).rejects.toMatchObject({ code: '57014' });
    expect(await asker.ask('double', 4, 1_000)).toBe(8);
  });

  it('tells without an answer', async () => {
    const { asker, heard } = pair();
    asker.tell('double', 5);
    await asker.ask('double', 6, 1_000);
    expect(heard).toEqual([5, 6]);
  });

  it('fails what is asked when the other side goes, and what is asked after', async () => {
    const { asker, right } = pair();
    let lost = 0;
    asker.onLost = () => {
      lost += 1;
    };
    const waiting = asker.ask('stay', null, null);
    right.emit('disconnect');
    await expect(waiting).rejects.toMatchObject({ code: '57P01' });
    await expect(asker.ask('double', 1, null)).rejects.toMatchObject({ code: '57P01' });
    right.emit('disconnect');
    expect(lost).toBe(1);
  });

  it('refuses a question nobody knows, and too many at once', async () => {
    const { asker } = pair();
    const unknown = asker as unknown as Channel<Right, { other(n: number): number }>;
    await expect(unknown.ask('other', 1, 1_000)).rejects.toMatchObject({ code: '0A000' });
    const waiting = Array.from({ length: CHANNEL_ASKS_MAX }, () => asker.ask('stay', null, null));
    for (const each of waiting) each.catch(() => undefined);
    await expect(asker.ask('double', 1, null)).rejects.toMatchObject({ code: '53300' });
    asker.lose();
  });
});
