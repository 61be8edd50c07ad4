// What the body of a trigger's function is read to do.

import { beforeAll, describe, expect, it } from 'vitest';
import { triggerBody } from '../../src/plan/trigger-body.ts';
import { loadParser } from '../../src/sql/parser.ts';
import { testCatalog } from './catalog.ts';

beforeAll(loadParser);

const read = (body: string) => triggerBody(body, testCatalog());

describe('Reads and writes no table:', () => {
  it.each([
    'BEGIN NEW.updated_at = now(); RETURN NEW; END;',
    `BEGIN -- SELECT 1 FROM users
      NEW.updated_at := CURRENT_TIMESTAMP; /* DELETE FROM users */ RETURN NEW; END`,
    'BEGIN IF NEW.* IS DISTINCT FROM OLD.* THEN NEW.version := OLD.version + 1; END IF; RETURN NEW; END',
    `BEGIN IF TG_OP = 'UPDATE' AND NOT (OLD.name IS NOT DISTINCT FROM NEW.name) THEN RETURN NULL; END IF; RETURN NEW; END`,
    `DECLARE n numeric(9, 2) := 1; BEGIN n := extract(epoch FROM NEW.at) + round(n, 2);
      NEW.day := substring(lower(NEW.name) FROM 1 FOR 3) || trim(both ' ' from coalesce(NEW.b, 'x')); RETURN NEW; END`,
    `BEGIN SELECT upper(NEW.name), now() INTO NEW.name, NEW.at; RETURN NEW; END`,
    `BEGIN RAISE EXCEPTION 'no update of %', NEW.name USING ERRCODE = '23514'; END`,
    `BEGIN NEW.table := NEW.from || NEW.copy; NEW.tags[1] := 'x'; RETURN NEW; END`,
    `BEGIN NEW.search := to_tsvector('simple', NEW.name) || pg_catalog.to_tsvector(NEW.body); RETURN NEW; END`,
  ])('%s', (body) => {
    expect(read(body)).toMatchObject({ inserts: [] });
  });
});

describe('May read or write one:', () => {
  it.each([
    'BEGIN NEW.n := (SELECT count(*) FROM users); RETURN NEW; END',
    'BEGIN IF EXISTS (SELECT 1 FROM users WHERE user_id = NEW.user_id) THEN RETURN NULL; END IF; RETURN NEW; END',
    'BEGIN UPDATE users SET n = 1; RETURN NEW; END',
    'BEGIN DELETE FROM users; RETURN NEW; END',
    'BEGIN MERGE INTO users USING other ON true WHEN MATCHED THEN DELETE; RETURN NEW; END',
    `BEGIN EXECUTE 'DELETE FROM users'; RETURN NEW; END`,
    'BEGIN PERFORM own_function(NEW.user_id); RETURN NEW; END',
    'BEGIN NEW.name := app.own_function(NEW.user_id); RETURN NEW; END',
    `BEGIN PERFORM pg_notify('changed', NEW.name); RETURN NEW; END`,
    `BEGIN NEW.doc := query_to_xml('SELECT * FROM users', true, true, ''); RETURN NEW; END`,
    'BEGIN NEW.n := extract(epoch FROM (SELECT max(at) FROM users)); RETURN NEW; END',
    'BEGIN FOR r IN TABLE users LOOP NULL; END LOOP; RETURN NEW; END',
    'BEGIN OPEN c; FETCH c INTO r; RETURN NEW; END',
    'BEGIN "count_it"(1); RETURN NEW; END',
    `BEGIN NEW.name := 'not ended; RETURN NEW; END`,
    'DECLARE r ALIAS FOR NEW; BEGIN r.user_id := 1; RETURN NEW; END',
    'BEGIN NEW.U&"user\\005fid" := 1; U&"new".user_id := 1; RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES (OLD.*, NEW.user_id); RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES ((OLD).*, NEW.user_id); RETURN NEW; END',
    'BEGIN INSERT INTO log SELECT * FROM users; RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES (NEW.user_id, (SELECT 1 FROM users)); RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES (own_function(NEW.user_id)); RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES (NEW.user_id) ON CONFLICT DO NOTHING; RETURN NEW; END',
    'BEGIN INSERT INTO log VALUES (NEW.user_id) RETURNING id INTO NEW.id; RETURN NEW; END',
    'BEGIN WITH w AS (SELECT * FROM users) INSERT INTO log VALUES (1); RETURN NEW; END',
  ])('%s', (body) => {
    expect(read(body)).toBeNull();
  });
});

describe('Inserts rows:', () => {
  it('of which each value is told where it is from', () => {
    const body = `BEGIN
      INSERT INTO app.log (who, what, at) VALUES (NEW.user_id, 'moved', now());
      INSERT INTO log VALUES (coalesce(NEW.user_id, OLD.user_id), NEW.user_id + 1, coalesce(NEW.id, 0)); RETURN NULL; END`;
    expect(read(body)?.inserts).toEqual([
      {
        relation: { catalog: null, schema: 'app', name: 'log' },
        columns: ['who', 'what', 'at'],
        values: [[{ row: 'new', column: 'user_id' }], [], []],
      },
      {
        relation: { catalog: null, schema: null, name: 'log' },
        columns: null,
        values: [
          [
            { row: 'new', column: 'user_id' },
            { row: 'old', column: 'user_id' },
          ],
          [],
          [],
        ],
      },
    ]);
  });
});

describe('Assigns', () => {
  it.each([
    [
      'BEGIN NEW.a := 1; IF NEW.b = 2 THEN NEW.c = 3; ELSE "new"."D" := 4; END IF; RETURN NEW; END',
      ['a', 'c', 'D'],
    ],
    ['BEGIN SELECT 1, 2 INTO NEW.a, NEW.b; RETURN NEW; END', ['a', 'b']],
    ['BEGIN INSERT INTO log VALUES (NEW.a); RETURN OLD; END', []],
    [
      'BEGIN OLD.a := 1; GET DIAGNOSTICS NEW.b = ROW_COUNT; FOREACH NEW.c IN ARRAY NEW.d LOOP NULL; END LOOP; RETURN OLD; END',
      ['a', 'b', 'c'],
    ],
  ])('some columns: %s', (body, columns) => {
    expect([...(read(body)?.assigns ?? ['any'])]).toEqual(columns);
  });

  it.each([
    'BEGIN NEW := OLD; RETURN NEW; END',
    'BEGIN NEW."a""b" := 1; RETURN NEW; END',
    'BEGIN SELECT OLD.* INTO NEW; RETURN NEW; END',
    'DECLARE other record; BEGIN other := NEW; RETURN other; END',
    "BEGIN RETURN NEW #= 'user_id=>7'::hstore; END",
    'BEGIN give.NEW.user_id := 7; RETURN NEW; END',
  ])('any column: %s', (body) => {
    expect(read(body)?.assigns).toBeNull();
  });
});
