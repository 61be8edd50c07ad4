// Which bodies of routines may leave a setting behind.

import { describe, expect, it } from 'vitest';
import { leavesSettings, setsPath, settingRoutines } from '../../src/topology/routine-settings.ts';

describe('leavesSettings', () => {
  it.each([
    `SELECT set_config('a.b', 'c', false)`,
    `SELECT pg_catalog.set_config('a.b', f(x, true), $1)`,
    `BEGIN SET search_path = a; END`,
    `BEGIN IF x THEN set session timezone to 'utc'; END IF; END`,
    `BEGIN RESET ALL; END`,
    `BEGIN EXECUTE 'SET ROLE ' || who; END`,
    `BEGIN EXECUTE format('SELECT %s(''a.b'', ''c'', false)', 'set_config'); END`,
    `BEGIN /* no */ UPDATE pg_settings SET setting = 'x' WHERE name = 'work_mem'; END`,
    `BEGIN SET LOCAL TimeZone = 'UTC'; END`,
    `BEGIN SET LOCAL "datestyle" = 'ISO'; END`,
    `BEGIN IF x THEN SET LOCAL SESSION AUTHORIZATION a; END IF; END`,
    `SELECT set_config('TimeZone', 'UTC', true)`,
    `SELECT set_config(name, 'UTC', true)`,
    `BEGIN PERFORM set_config('a.b', 'c', true); PERFORM set_config('a.b', 'c', is_local); END`,
  ])('finds one in %s', (body) => {
    expect(leavesSettings(body)).toBe(true);
  });

  it.each([
    `UPDATE t SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 2`,
    `SELECT set_config('a.b', coalesce(x, 'c'), true)`,
    `BEGIN SET LOCAL search_path = a; SET CONSTRAINTS ALL DEFERRED; END`,
    `BEGIN -- set_config('a.b', 'c', false)\n RETURN NEW; END`,
    `SELECT setting FROM pg_settings`,
    `SELECT set_config('a.' || role, 'c', true), set_config('work_mem', '1MB', true)`,
    `BEGIN SET LOCAL work_mem = '1MB'; SET LOCAL role_of_mine.a = 'b'; END`,
  ])('finds none in %s', (body) => {
    expect(leavesSettings(body)).toBe(false);
  });
});

describe('setsPath', () => {
  it.each([
    [`BEGIN SET search_path = a; END`, 'session'],
    [`BEGIN RESET search_path; END`, 'session'],
    [`SELECT set_config('search_path', 'a', false)`, 'session'],
    [`SELECT set_config('search_path', $1, true)`, 'local'],
    [`SELECT set_config('search_path', $1, $2)`, 'either'],
    [`SELECT set_config('search_path', 'a', is_local => (f(1)))`, 'either'],
    [`BEGIN IF x THEN SET search_path = a; ELSE SET LOCAL search_path = a; END IF; END`, 'either'],
    [`BEGIN SET LOCAL search_path = a; PERFORM set_config('search_path', 'b', true); END`, 'local'],
    [`BEGIN SET LOCAL search_path TO a; END`, 'local'],
    [`SELECT current_setting('search_path'), set_config('a.b', 'c', false)`, null],
    [`BEGIN -- SET search_path = a\n RETURN; END`, null],
  ])('of %s: %s', (body, expected) => {
    expect(setsPath(body)).toBe(expected);
  });
});

describe('settingRoutines', () => {
  it('counts callers of callers, and what runs them unseen', () => {
    const found = settingRoutines([
      { name: 'outermost', body: 'SELECT Outer_One()' },
      { name: 'outer_one', body: 'SELECT inner_one()', usedBy: 'trigger' },
      { name: 'inner_one', body: `SELECT set_config('a.b', 'c', false)` },
      { name: 'plain', body: 'SELECT 1', usedBy: 'other' },
    ]);
    expect([...found.names].sort()).toEqual(['inner_one', 'outer_one', 'outermost']);
    expect(found).toMatchObject({ byTriggers: true, unseen: false });
  });

  it('tells of a caller all that those which it calls may do to the search path', () => {
    const { paths } = settingRoutines([
      { name: 'both', body: 'SELECT now_this(), now_that()' },
      { name: 'now_this', body: `SELECT set_config('search_path', 'a', false)` },
      { name: 'now_that', body: `SELECT set_config('search_path', 'a', true)` },
      { name: 'any', body: `SELECT set_config('search_path', 'a', $1)` },
    ]);
    expect([...paths.session].sort()).toEqual(['any', 'both', 'now_this']);
    expect([...paths.local].sort()).toEqual(['any', 'both', 'now_that']);
  });
});
