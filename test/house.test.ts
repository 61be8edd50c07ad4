// The house rules that a machine can check: who may import whom, sizes, doors, words.

import { describe, expect, it } from 'vitest';
import { packageOf, type SourceFile, sourceFiles } from './support/source-tree.ts';

const SRC = sourceFiles('src', '.ts');
const TEST = sourceFiles('test', '.ts');
const BENCH = sourceFiles('bench', '.ts');
const BIN = sourceFiles('bin', '.js');
const SQL = sourceFiles('sql', '.sql');
const DOCS = sourceFiles('docs', '.md');

/** A room is a folder of src, or a file directly in it; each may import itself and these. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  value: ['base'],
  sql: ['base'],
  // Read the running proxy through what it hands to operators.
  observe: ['base', 'commands', 'pool'],
  topology: ['base', 'sql', 'value'],
  local: ['base', 'topology'],
  plan: ['base', 'sql', 'topology', 'value'],
  pool: ['base', 'wire', 'topology'],
  execute: ['base', 'plan', 'pool', 'topology', 'value', 'wire'],
  session: ['base', 'wire', 'sql', 'topology', 'plan', 'pool', 'execute'],
  control: ['base', 'execute', 'pool', 'topology'],
  commands: ['base', 'control', 'topology', 'plan', 'pool', 'session'],
  admin: ['base', 'commands', 'control', 'wire'],
  // A worker is a whole proxy.
  workers: ['base', 'commands', 'control', 'observe', 'session', 'wire', 'proxy.ts'],
  api: ['base', 'commands', 'control'],
  // A command starts the parts whole; nothing else of theirs is its business.
  cli: ['base', 'commands', 'control', 'local', 'proxy.ts', 'workers/start.ts', 'api/server.ts'],
  'main.ts': ['base', 'cli'],
  'worker.ts': ['base', 'workers'],
};

/** The composition root connects all rooms. */
const COMPOSITION_ROOT = 'proxy.ts';

const LINES_MAX = 400;

/** Names that say nothing about what is in a file. */
const EMPTY_NAMES = /(^|[/-])(utils?|helpers?|part-?\d+)([./-]|$)|(^|\/)(misc|common|stuff)[./]/;

/** Words of unfinished or unchecked work, and the home folders of somebody's machine. */
const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['unfinished work', /\b(TODO|FIXME|XXX|HACK)\b/],
  ['a type check turned off', /@ts-(ignore|nocheck|expect-error)/],
  ['a path of one machine', /(^|[^\w.])\/(root|home|Users|work)\//],
];

/** A test left out or run alone. */
const LEFT_OUT = /\b(it|test|describe)\.(skip|only|todo|fails)\b/;

const roomOf = (path: string): string => path.split('/')[1] as string;

function listed(files: readonly SourceFile[], fault: (file: SourceFile) => readonly string[]) {
  return files.flatMap((file) => fault(file).map((what) => `${file.path}: ${what}`));
}

describe('Imports', () => {
  it('follow the table of who may import whom', () => {
    const wrong = listed(SRC, ({ path, imports }) => {
      const room = roomOf(path);
      if (room === COMPOSITION_ROOT) return [];
      const allowed = MAY_IMPORT[room];
      if (allowed === undefined) return [`${room} is not in the table`];
      return imports.flatMap(({ file }) => {
        if (file === null || roomOf(file) === room) return [];
        const isAllowed = allowed.includes(roomOf(file)) || allowed.includes(file.slice(4));
        return isAllowed && file.startsWith('src/') ? [] : [`imports ${file}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  it('make no cycle that exists at run time', () => {
    expect(cycles(SRC)).toEqual([]);
  });

  it('name files that exist, with their ending', () => {
    const known = new Set([...SRC, ...TEST, ...BENCH].map(({ path }) => path));
    const wrong = listed([...SRC, ...TEST, ...BENCH], ({ imports }) =>
      imports.flatMap(({ file }) => (file === null || known.has(file) ? [] : [`imports ${file}`])),
    );
    expect(wrong).toEqual([]);
  });

  it('of a package are in one file, its door', () => {
    const doors = new Map<string, Set<string>>();
    for (const file of SRC) {
      for (const each of file.imports) {
        const name = packageOf(each);
        if (name !== null) doors.set(name, (doors.get(name) ?? new Set()).add(file.path));
      }
    }
    expect(doors.size).toBeGreaterThan(0);
    expect([...doors].filter(([, files]) => files.size > 1)).toEqual([]);
  });
});

describe('Files', () => {
  it('begin with one sentence that says what they are', () => {
    const wrong = listed([...SRC, ...TEST, ...BENCH, ...BIN, ...SQL], ({ lines }) => {
      const [first = ''] = lines.filter((line) => !line.startsWith('#!'));
      return /^(\/\/|--) \S.*[.?]$/.test(first) ? [] : [first];
    });
    expect(wrong).toEqual([]);
  });

  it(`have at most ${LINES_MAX} lines`, () => {
    const wrong = listed([...SRC, ...TEST, ...BENCH, ...BIN], ({ lines }) =>
      lines.length > LINES_MAX ? [`${lines.length} lines`] : [],
    );
    expect(wrong).toEqual([]);
  });

  it('have names in kebab case that mean something', () => {
    const wrong = listed([...SRC, ...TEST, ...BENCH, ...BIN, ...SQL], ({ path }) => {
      const name = path.split('/').at(-1) as string;
      const isKebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.(ts|js|sql)$/.test(name);
      return isKebab && !EMPTY_NAMES.test(path) ? [] : ['rename it'];
    });
    expect(wrong).toEqual([]);
  });

  it('hold no forbidden words', () => {
    const wrong = listed(
      [...SRC, ...TEST, ...BENCH, ...BIN, ...SQL, ...DOCS],
      ({ path, lines }) => {
        if (path === 'test/house.test.ts') return [];
        return lines.flatMap((line, i) =>
          FORBIDDEN.filter(([, pattern]) => pattern.test(line)).map(
            ([what]) => `${i + 1}: ${what}`,
          ),
        );
      },
    );
    expect(wrong).toEqual([]);
  });

  it('leave no test out', () => {
    const wrong = listed(TEST, ({ path, lines }) =>
      path !== 'test/house.test.ts' && LEFT_OUT.test(lines.join('\n')) ? ['a test left out'] : [],
    );
    expect(wrong).toEqual([]);
  });
});

/** The cycles of imports, each once, as `a → b → a`. */
function cycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const { file, isErased } of byPath.get(path)?.imports ?? []) {
      if (file !== null && !isErased) visit(file, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
}
