// By the body of a trigger's function, whether it may give the sharding key a value.

import { describe, expect, it } from 'vitest';
import { mayGiveValue } from '../../src/topology/trigger-value.ts';

describe('mayGiveValue', () => {
  it.each([
    'BEGIN NEW.user_id := 7; RETURN NEW; END',
    'BEGIN IF NEW."user_id" IS NULL THEN SELECT 1 INTO NEW."USER_ID"; END IF; RETURN NEW; END',
    "BEGIN NEW := jsonb_populate_record(NEW, '{}'); RETURN NEW; END",
    'BEGIN SELECT * INTO NEW FROM defaults; RETURN NEW; END',
    'BEGIN RETURN other(NEW.id); END',
    'DECLARE r record; BEGIN r := NEW; RETURN r; END',
    'BEGIN IF NEW.id = 1 THEN NEW.user_id = 7; END IF; RETURN NEW; END',
    'BEGIN <<named>> BEGIN new . "user_id" := 7; END; RETURN NEW; END',
    'BEGIN FOR NEW.user_id IN SELECT 1 LOOP NULL; END LOOP; RETURN NEW; END',
    'BEGIN INSERT INTO ids DEFAULT VALUES RETURNING id INTO STRICT NEW.user_id; RETURN NEW; END',
    "BEGIN EXECUTE 'SELECT 1' INTO NEW.id, NEW.user_id; RETURN NEW; END",
    'BEGIN CALL give(1, NEW.user_id); RETURN NEW; END',
    'BEGIN GET DIAGNOSTICS NEW.id = ROW_COUNT, NEW.user_id = ROW_COUNT; RETURN NEW; END',
    'DECLARE n ALIAS FOR NEW; BEGIN n.user_id := 1; RETURN NEW; END',
    'BEGIN NEW.U&"user_i\\0064" := 1; RETURN NEW; END',
    "BEGIN RETURN NEW #= 'user_id=>7'::hstore; END",
    'BEGIN RETURN (NEW); END',
    'BEGIN give.NEW.user_id := 7; RETURN NEW; END',
    "BEGIN RAISE NOTICE '-- given'; NEW.user_id := 7; RETURN NEW; END",
    "BEGIN NEW.name := '/*'; NEW.user_id := 7; NEW.name := '*/'; RETURN NEW; END",
    "BEGIN NEW.name := E'\\'--'; NEW.user_id := 7; RETURN NEW; END",
    'BEGIN NEW.name := $a$ -- $a$; NEW.user_id := 7; RETURN NEW; END',
    'BEGIN NEW.name := $a$; NEW.user_id := 7; RETURN NEW; END',
    "BEGIN /* /* it's */ */ NEW.user_id := 7; -- it's\n RETURN NEW; END",
    "BEGIN CALL give('a;b', NEW.user_id); RETURN NEW; END",
    null,
  ])('%s may', (body) => {
    expect(mayGiveValue(body, 'user_id')).toBe(true);
  });

  it.each([
    'BEGIN NEW.updated_at := now(); RETURN NEW; END',
    'BEGIN -- not user_id\n IF new.id = 3 THEN RETURN NULL; END IF; RETURN  new; END',
    'BEGIN "new".name = lower("new".name); RETURN NEW; END',
    'BEGIN IF NEW.user_id = 3 OR NEW.user_id <> OLD.user_id THEN RAISE EXCEPTION $$no$$; END IF; RETURN NEW; END',
    'BEGIN INSERT INTO audit VALUES (NEW.user_id, 1); RETURN NEW; END',
    'BEGIN NEW.user_id_2 := NEW.user_id; RETURN NEW; END',
    "BEGIN NEW.name := 'a new user''s; NEW.user_id := 7'; RETURN NEW; END",
    'BEGIN NEW.name := $$; NEW.user_id := 7$$; /* a new one; NEW.user_id := 7 */ RETURN NULL; END',
    'BEGIN NEW.name := CASE WHEN NEW.id = 1 THEN NEW.user_id ELSE 0 END; RETURN NEW; END',
  ])('%s does not', (body) => {
    expect(mayGiveValue(body, 'user_id')).toBe(false);
  });
});
