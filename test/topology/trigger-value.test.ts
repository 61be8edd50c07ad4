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
    null,
  ])('%s may', (body) => {
    expect(mayGiveValue(body, 'user_id')).toBe(true);
  });

  it.each([
    'BEGIN NEW.updated_at := now(); RETURN NEW; END',
    'BEGIN -- not user_id\n IF new.id = 3 THEN RETURN NULL; END IF; RETURN  new; END',
    'BEGIN "new".name = lower("new".name); RETURN NEW; END',
  ])('%s does not', (body) => {
    expect(mayGiveValue(body, 'user_id')).toBe(false);
  });
});
