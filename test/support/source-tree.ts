// The project's own source files, read as text, with what they import.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

export interface SourceFile {
  /** From the project's root, with slashes: `src/base/limits.ts`. */
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written: `../base/limits.ts`, `pg`, `node:fs`. */
  readonly name: string;
  /** The file it names, from the project's root; null for a package. */
  readonly file: string | null;
  /** Only types: at run time the import does not exist. */
  readonly isErased: boolean;
}

/** All files below `folder` whose name ends with `ending`, in the order of their paths. */
export function sourceFiles(folder: string, ending: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .sort()
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const imports = [...text.matchAll(IMPORT)].map(({ groups = {} }): Import => {
    const name = groups.named ?? groups.lazy ?? '';
    const file = name.startsWith('.') ? posix.join(posix.dirname(path), name) : null;
    return { name, file, isErased: groups.type !== undefined };
  });
  return { path, lines: text.trimEnd().split('\n'), imports };
}

/** Statements with `import` or `export … from`, on one line or several, and `import('…')`. */
const IMPORT =
  /^(?:import|export)(?<type> type)?\b(?:[^'";=(]*\bfrom)? '(?<named>[^']+)';$|\bimport\('(?<lazy>[^']+)'\)/gm;

/** The package of an import: `typebox/value` → `typebox`; null for files and Node's own modules. */
export function packageOf({ name, file }: Import): string | null {
  if (file !== null || name.startsWith('node:')) return null;
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}
