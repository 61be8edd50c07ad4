// Generator of MERGE statements: sources of any table, joined by any columns, inserted by any key.

import { condition } from './condition.ts';
import type { Relation, Sight } from './expression.ts';
import { type Joined, oneOfEach, returned } from './joined-write.ts';
import { referringValue } from './table-rules.ts';
import { list, type Node, option, type Part, query, text } from './tree.ts';
import { settableColumns } from './world.ts';

export function merge({ random, make, world, table, changed }: Joined): Node {
  const source = random.pick(world.tables);
  const [target, joined]: Relation[] = [
    { name: 'u', columns: table.columns },
    { name: 's', columns: source.columns },
  ];
  const [both, ofSource]: Sight[] = [
    { own: [target!, joined!], outer: [] },
    { own: [joined!], outer: [] },
  ];
  const on = list(
    [
      's.id = u.id',
      ...(table.key !== null && source.key !== null && random.chance(0.4)
        ? [`s.${source.key} = u.${table.key}`]
        : []),
      ...(random.chance(0.2) ? [condition(make, both!, 0)] : []),
    ],
    ' AND ',
  );
  // Behind a clause without a condition no other of its kind is taken.
  const isOver = new Set<string>();
  const when = (words: string, sight: Sight, action: () => Part, isLast = false): Part[] => {
    if (isOver.has(words)) return [];
    const isConditional = !isLast && random.chance(0.6);
    if (!isConditional) isOver.add(words);
    const also = isConditional ? text(' AND ', condition(make, sight, 0)) : '';
    return [text(` WHEN ${words}`, also, ' THEN ', action())];
  };
  const moves = table.key !== null && random.chance(0.12);
  const update = (sight: Sight): Part => {
    const set = changed.map(
      (column): Part => text(column.name, ' = ', make.of(column.type, sight, 1)),
    );
    const move = moves && random.chance(0.5) ? [`${table.key} = ${random.int(-3, 60)}`] : [];
    return text('UPDATE SET ', list([...set, ...move]));
  };
  const action = (sight: Sight) =>
    random.pick([update(sight), update(sight), 'DELETE', 'DO NOTHING']);
  const ofTarget: Sight = { own: [target!], outer: [] };
  const insert = (): Part => {
    const columns = settableColumns(table).filter(
      ({ name }) => name === table.key || name === 'id' || random.chance(0.4),
    );
    const keys = [
      's.id',
      's.id + 3',
      '7',
      `${random.int(-5, 60)}`,
      ...(source.key === null ? [] : [`s.${source.key}`]),
    ];
    const values = columns.map((column): Part => {
      if (column.name === 'id') return random.pick(['s.id', 's.id', 's.id + 300']);
      if (column.name === table.key) return random.pick(keys);
      if (column.refers) return referringValue(random);
      return make.of(column.type, ofSource!, 1);
    });
    return text(
      'INSERT (',
      columns.map(({ name }) => name).join(', '),
      ') VALUES (',
      list(values),
      ')',
    );
  };
  const clauses = [
    ...(random.chance(0.7) ? when('MATCHED', both!, () => action(both!)) : []),
    ...(random.chance(0.4) ? when('MATCHED', both!, () => action(both!)) : []),
    ...(random.chance(0.4) ? when('NOT MATCHED BY SOURCE', ofTarget, () => action(ofTarget)) : []),
    ...(random.chance(0.4) ? when('NOT MATCHED', ofSource!, insert) : []),
    ...(random.chance(0.15) ? when('NOT MATCHED', ofSource!, () => 'DO NOTHING') : []),
    ...when('NOT MATCHED', ofSource!, insert, true),
  ];
  const all = clauses.map((clause, i) => (i === 0 ? clause : option(clause)));
  // A join by itself, of which a second relation adds nothing. PostgreSQL takes a value that it knows before
  // for that of rows without a source, too: with OFFSET it does not know.
  const beside = random.chance(0.2) ? ' CROSS JOIN (VALUES (1) OFFSET 0) AS w (one)' : '';
  const returning = random.chance(0.7)
    ? option(' RETURNING ', list(['merge_action()', returned(random, make, both!)]))
    : '';
  const rows = oneOfEach(random, source);
  // A row that matches twice is an error, whichever of the two is met first.
  const [before, using]: readonly (readonly Part[])[] = random.pick([
    [[], [rows, ' AS s']],
    [[], [rows, ' AS s']],
    [['WITH s AS MATERIALIZED ', rows, ' '], ['s']],
    [['WITH w1 AS ', rows, ' '], ['w1 AS s']],
    // PostgreSQL computes a virtual column also of a row that is not there.
    [
      [],
      [source.columns.some(({ generated }) => generated !== undefined) ? rows : source.name, ' s'],
    ],
  ]);
  return query(
    ...before!,
    'MERGE INTO ',
    table.name,
    ' u USING ',
    ...using!,
    beside,
    ' ON ',
    on,
    ...all,
    returning,
  );
}
