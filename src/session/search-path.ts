// Search path: the schemas in which servers look names up for a session, as whoever it has become.

import { foldedWord } from '../sql/identifier.ts';
import { tokenize } from '../sql/token.ts';
import type { Catalog } from '../topology/table.ts';

/** Stands for the schema that is called as the role is. */
const USER = '$user';

/** The schema of the session's temporary tables. */
const TEMPORARY = 'pg_temp';

/** Stands before it for one of them, which hides a table that is on every shard: no schema begins so. */
const hiding = (table: string) => `${TEMPORARY}.${table}`;

/** `search_path TO a, "B", 'c'`, or what stands behind TO → a, B, c. */
export function pathOf(assignment: string): readonly string[] {
  const list = assignment.replace(/^\s*("?)search_path\1\s*(=|\bTO\b)\s*/i, '');
  const elements = list.match(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,\s"']+/g) ?? [];
  return elements.map(unquoted).filter((schema) => schema !== '');
}

function unquoted(text: string): string {
  if (text.startsWith('"')) return text.slice(1, -1).replaceAll('""', '"');
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  return foldedWord(text);
}

/** `ROLE alice`, `role TO 'alice'`, `SESSION AUTHORIZATION alice` → alice; null: nobody else. */
export function roleOf(assignment: string): string | null {
  const role = unquoted(tokenize(assignment)?.at(-1)?.text ?? '');
  return role === '' || role === 'none' || role === 'default' ? null : role;
}

/** Who the session has become by its settings; null: it is still who it has logged in as. */
export function roleIn(assignments: ReadonlyMap<string, string>): string | null {
  for (const name of ['role', 'session_authorization']) {
    const assignment = assignments.get(name);
    const role = assignment === undefined ? null : roleOf(assignment);
    if (role !== null) return role;
  }
  return null;
}

/** The server's default path, and what roles may use. */
type PathCatalog = Pick<Catalog, 'searchPath' | 'schemaRights'>;

/** What a session's path is read of. */
interface PathSource {
  readonly path: readonly string[] | null;
  readonly role: string | null;
  /**
   * Of a session that has temporary tables, which are found before all others where the path does not say so: the names
   * of those that hide a table on every shard; null: it has none.
   */
  readonly hidden: readonly string[] | null;
  readonly catalog: PathCatalog;
}

/** Of one session. */
export class SearchPaths {
  #server: () => ReadonlyMap<string, string>;
  #catalog: () => PathCatalog;
  #of: PathSource | null = null;
  #resolved: readonly string[] | null = null;

  /** `server`: what a server reports to a session that has SET nothing; `catalog`: of now. */
  constructor(server: () => ReadonlyMap<string, string>, catalog: () => PathCatalog) {
    this.#server = server;
    this.#catalog = catalog;
  }

  /**
   * The path with the role's own schema in it, and without those that it may not use; null: as a session
   * has it that has SET nothing. The same array again as long as nothing changes.
   */
  resolved(
    path: readonly string[] | null,
    role: string | null,
    hidden: readonly string[] | null,
  ): readonly string[] | null {
    if (path === null && role === null && hidden === null) return null;
    const catalog = this.#catalog();
    const of = this.#of;
    const isSame = of?.path === path && of.role === role && of.hidden === hidden;
    if (isSame && of.catalog === catalog) return this.#resolved;
    this.#of = { path, role, hidden, catalog };
    const resolved = this.#resolve(this.#of);
    const marks = (hidden ?? []).map(hiding);
    this.#resolved = resolved.flatMap((each) => (each === TEMPORARY ? [...marks, each] : [each]));
    return this.#resolved;
  }

  #resolve({ path, role, hidden, catalog }: PathSource): readonly string[] {
    // As one that has SET nothing, but for its temporary tables.
    if (path === null && role === null) return [TEMPORARY, ...catalog.searchPath];
    const server = this.#server();
    const rights = catalog.schemaRights;
    const user = role ?? server.get('session_authorization') ?? '';
    const schemas = path ?? pathOf(server.get('search_path') ?? '"$user", public');
    const named = schemas.includes(USER)
      ? schemas.map((schema) => (schema === USER ? user : schema))
      : schemas;
    const usable = rights.restrict(named)
      ? named.filter((schema) => rights.mayUse(schema, role))
      : named;
    return hidden !== null && !named.includes(TEMPORARY) ? [TEMPORARY, ...usable] : usable;
  }
}
