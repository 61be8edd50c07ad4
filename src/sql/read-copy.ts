// COPY: the statement and its options, from the parser's tree.

import { type Reader, relationOf, stringsOf } from './reader.ts';
import type { CopyOption, CopyStatement } from './statement.ts';
import type { CopyStmt, Node } from './tree.ts';

export function readCopy(copy: CopyStmt, reader: Reader): CopyStatement {
  return {
    kind: 'copy',
    relation: copy.relation === undefined ? null : relationOf(copy.relation),
    query: copy.query === undefined ? null : reader.rows(copy.query),
    from: copy.is_from ?? false,
    onServer: (copy.is_program ?? false) || copy.filename !== undefined,
    columns: copy.attlist === undefined ? null : stringsOf(copy.attlist),
    filtered: copy.whereClause !== undefined,
    options: (copy.options ?? []).flatMap((node) =>
      'DefElem' in node
        ? [{ name: node.DefElem.defname ?? '', value: optionValue(node.DefElem.arg) }]
        : [],
    ),
  };
}

function optionValue(arg: Node | undefined): CopyOption['value'] {
  if (arg === undefined) return null;
  if ('String' in arg) return arg.String.sval ?? '';
  if ('Boolean' in arg) return arg.Boolean.boolval ?? false;
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  if ('Float' in arg) return arg.Float.fval ?? '0';
  if ('List' in arg) return stringsOf(arg.List.items);
  return 'A_Star' in arg ? '*' : null;
}
