// Generator of what SQL's own JSON functions make and read.

import type { Expressions, Sight } from './expression.ts';
import { expression, list, type Node } from './tree.ts';

/** By a path, with something else where there is nothing or too much. */
export function jsonValue(
  make: Expressions,
  type: 'int' | 'text',
  sight: Sight,
  depth: number,
): Node {
  const { random } = make;
  const of = (wanted: 'jsonb' | 'int' | 'text') => make.of(wanted, sight, depth);
  const sql = type === 'int' ? 'int' : 'text';
  const other = make.literal(type);
  return random.pick([
    () => expression(type, 'JSON_VALUE(', of('jsonb'), `, '$.a' RETURNING ${sql})`),
    () =>
      expression(
        type,
        'JSON_VALUE(',
        of('jsonb'),
        `, '$.a' RETURNING ${sql} DEFAULT `,
        other,
        ' ON EMPTY NULL ON ERROR)',
      ),
    () =>
      expression(
        type,
        'JSON_VALUE(',
        of('jsonb'),
        ", '$[*] ? (@ > $least)' PASSING ",
        of('int'),
        ` AS least RETURNING ${sql})`,
      ),
    () => expression(type, '(JSON_QUERY(', of('jsonb'), `, '$.a' WITH WRAPPER) ->> 0)::${sql}`),
  ])();
}

export function jsonMade(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const one = () => make.of(make.typeInSight(sight), sight, depth);
  const onNull = random.pick(['', ' ABSENT ON NULL', ' NULL ON NULL']);
  return random.pick([
    () => expression('jsonb', "JSON_OBJECT('k' : ", one(), `${onNull} RETURNING jsonb)`),
    () => expression('jsonb', 'JSON_ARRAY(', list([one(), one()]), `${onNull} RETURNING jsonb)`),
    () =>
      expression(
        'jsonb',
        'JSON_QUERY(',
        make.of('jsonb', sight, depth),
        ", '$.*' WITH ARRAY WRAPPER)",
      ),
    () => expression('jsonb', 'JSON_SCALAR(', make.of('int', sight, depth), ')::jsonb'),
  ])();
}
