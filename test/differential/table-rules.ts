// Rules of generated tables: what they compute, demand of their rows, and do when these are written.

import type { Random } from '../support/random.ts';
import { type Column, WITHOUT_EQUALITY } from './expression.ts';
import type { WorldTable } from './world.ts';

/** Functions of triggers; what they are called for follows from `id`, which every table has. */
export const TRIGGER_FUNCTIONS = [
  `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
     'BEGIN NEW.touched := coalesce(OLD.touched, 0) + 1; RETURN NEW; END'`,
  `CREATE FUNCTION born() RETURNS trigger LANGUAGE plpgsql AS
     'BEGIN NEW.touched := coalesce(NEW.touched, NEW.id % 5); RETURN NEW; END'`,
  `CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
     'BEGIN IF OLD.id % 10 = 7 THEN RETURN NULL; END IF; RETURN OLD; END'`,
  `CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
     'BEGIN IF NEW.id % 20 = 13 THEN RAISE EXCEPTION ''no %'', NEW.id; END IF; RETURN NULL; END'`,
];

/** Columns that are computed of others. */
export function generatedColumn(random: Random, columns: readonly Column[]): Column {
  const ofType = (type: Column['type']) => columns.find((column) => column.type === type)?.name;
  const [text, price, time] = [ofType('text'), ofType('price'), ofType('ts')];
  const some: Column[] = [{ name: 'doubled', type: 'int', generated: 'id * 2' }];
  if (text !== undefined)
    some.push({ name: 'loud', type: 'text', generated: `upper(coalesce(${text}, '-'))` });
  if (price !== undefined)
    some.push({ name: 'taxed', type: 'num', generated: `round(${price} * 1.19, 1)` });
  if (time !== undefined)
    some.push({ name: 'made_on', type: 'date', generated: `(${time} AT TIME ZONE 'UTC')::date` });
  return random.pick(some);
}

/** An index that nothing but speed should tell of; GIN and GiST where there is something for them. */
export function indexOf(random: Random, table: WorldTable): string {
  const plain = table.columns.filter(
    ({ type, generated }) => !WITHOUT_EQUALITY.has(type) && generated === undefined,
  );
  const found = random.pick(plain);
  const inverted = table.columns.find(({ type }) => ['jsonb', 'ints', 'tsv', 'hs'].includes(type));
  const ranged = table.columns.find(({ type }) => ['range', 'times', 'box'].includes(type));
  const items = [
    `(${found.name}${random.pick(['', ' DESC'])})`,
    `(${found.name}) WHERE id % 2 = 0`,
    `((id + 1), ${found.name})`,
    ...(found.type === 'text' ? [`(lower(${found.name}))`] : []),
    ...(inverted === undefined ? [] : [`USING gin (${inverted.name})`]),
    ...(ranged === undefined ? [] : [`USING gist (${ranged.name})`]),
  ];
  return `CREATE INDEX ON ${table.name} ${random.pick(items)}`;
}

/** Of a table without a primary key, what ON CONFLICT may name. */
export const ARBITERS = ['', ' WHERE id > 2'];

export const uniqueIndexOf = ({ name, arbiter }: WorldTable): string[] =>
  arbiter === null ? [] : [`CREATE UNIQUE INDEX ON ${name} ${arbiter}`];

/** Triggers of a table that has a column for them to write to. */
export function triggersOf(random: Random, { name, columns }: WorldTable): string[] {
  if (!columns.some((column) => column.name === 'touched')) return [];
  const made = (words: string, does: string) =>
    `CREATE TRIGGER ${does}_${name} ${words} EXECUTE FUNCTION ${does}()`;
  const isComputed = columns.some(({ generated }) => generated !== undefined);
  // Such rows are compared on no server.
  const isEqualable = columns.every(({ type }) => !WITHOUT_EQUALITY.has(type));
  const changed =
    isComputed || !isEqualable ? '' : random.pick(['', ' WHEN (OLD.* IS DISTINCT FROM NEW.*)']);
  const all = [
    made(`BEFORE UPDATE ON ${name} FOR EACH ROW${changed}`, 'touch'),
    made(`BEFORE INSERT ON ${name} FOR EACH ROW`, 'born'),
    made(`BEFORE DELETE ON ${name} FOR EACH ROW`, 'keep'),
    made(`AFTER UPDATE ON ${name} FOR EACH ROW`, 'forbid'),
  ];
  return [all[0]!, ...all.slice(1).filter(() => random.chance(0.4))];
}

const ON_DELETE = ['', ' ON DELETE CASCADE', ' ON DELETE SET NULL (ref)', ' ON UPDATE CASCADE'];

/** A foreign key by the column `ref`: to the reference table, or to a row of the same key. */
export function foreignKeyOf(random: Random, table: WorldTable, of: WorldTable): string {
  const [own, other] = of.key === null ? ['ref', 'id'] : [`${table.key}, ref`, `${of.key}, id`];
  const action = random.pick(ON_DELETE);
  const when = random.pick(['', '', ' DEFERRABLE INITIALLY DEFERRED']);
  return `ALTER TABLE ${table.name} ADD FOREIGN KEY (${own}) REFERENCES ${of.name} (${other})${action}${when}`;
}

/** What a statement gives to a column that refers to another table: often something that is there. */
export const referringValue = (random: Random): string =>
  random.pick(['0', '0', '1', 'NULL', 'NULL', '99']);
