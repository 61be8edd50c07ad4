// Which functions of triggers are seen to reach for rows of other shards than their own.

import { describe, expect, it } from 'vitest';
import { reachesBeyond, routinesBeyond } from '../../src/topology/beyond-routines.ts';

const column = (name: string) => ({
  name,
  typeOid: 23,
  collation: null,
  hasDefault: false,
  notNull: false,
  generated: false,
});
const files = { keyColumn: 'user_id', columns: ['id', 'user_id', 'name'].map(column) };
const sharded = new Map([['files', files]]);

describe('A trigger reaches beyond its shard', () => {
  it.each([
    'UPDATE files SET name = NEW.name WHERE user_id = 1;',
    `UPDATE ONLY public.files f SET name = 'a' WHERE id > 3 AND f.user_id = '7' RETURNING id INTO x;`,
    'UPDATE files SET id = id + 1;',
    'DELETE FROM "files";',
    'DELETE FROM files WHERE user_id = 3 AND id = NEW.id;',
    'IF NEW.id > 1 THEN DELETE FROM files AS f; END IF;',
    'INSERT INTO files VALUES (NEW.id, 0, NEW.name);',
    `INSERT INTO files (name, user_id) VALUES (coalesce(NEW.name, 'x'), 12) ON CONFLICT DO NOTHING;`,
    'SELECT count(*) INTO n FROM files;',
    'IF (SELECT count(*) FROM public.files f) > 3 THEN RAISE; END IF;',
    'IF EXISTS (SELECT FROM files) THEN RAISE; END IF;',
    'FOR r IN SELECT * FROM files LOOP NULL; END LOOP;',
  ])('by %s', (statement) => {
    expect(reachesBeyond(`BEGIN ${statement} RETURN NEW; END`, sharded)).toBe(true);
  });

  it.each([
    'UPDATE files SET name = NEW.name WHERE user_id = NEW.user_id;',
    'UPDATE files SET name = NEW.name WHERE id = NEW.id;',
    'UPDATE files SET name = NEW.name WHERE user_id = 1 OR id = NEW.id;',
    'UPDATE files SET name = n.name FROM news n;',
    'UPDATE other SET name = 1;',
    'UPDATE files SET name = NEW.name WHERE id = 1;',
    'DELETE FROM files WHERE user_id = OLD.user_id AND id <> 1;',
    'DELETE FROM other;',
    'INSERT INTO files VALUES (0, NEW.user_id, NEW.name);',
    'INSERT INTO files (name, user_id) VALUES (1, -NEW.user_id);',
    'INSERT INTO files SELECT 1, user_id, name FROM news;',
    'SELECT count(*) INTO n FROM files WHERE user_id = NEW.user_id;',
    'SELECT count(*) INTO n FROM files f JOIN news USING (user_id);',
    'IF NEW.name IS DISTINCT FROM files THEN RAISE; END IF;',
    `EXECUTE 'DELETE FROM files';`,
    '-- DELETE FROM files;\n',
  ])('but not, as far as is seen, by %s', (statement) => {
    expect(reachesBeyond(`BEGIN ${statement} RETURN NEW; END`, sharded)).toBe(false);
  });
});

it('So does a routine that calls one which does', () => {
  const routine = (name: string, body: string, language = 'sql') => ({ name, body, language });
  const tables = [{ ...files, schema: 'public', name: 'files', kind: 'sharded' as const }];
  const names = [
    routine('Total', 'SELECT count(*) FROM files'),
    routine('calls', 'BEGIN NEW.n := total(); RETURN NEW; END', 'plpgsql'),
    routine('names', 'BEGIN NEW.total := 1; RETURN NEW; END', 'plpgsql'),
    routine('other', 'SELECT count(*) FROM files', 'plpython3u'),
  ];
  expect([...routinesBeyond(names, tables)]).toEqual(['total', 'calls']);
});
