// Schema rights: which schemas of a search path a role may look into; servers pass over the others.

/** What a server says of schemas that not everybody may use. */
export interface RestrictedSchemas {
  readonly schemas: Readonly<Record<string, RestrictedSchema>>;
  /** Roles, and those whose rights they have as their own. */
  readonly members: readonly { readonly role: string; readonly of: string }[];
  readonly superusers: readonly string[];
}

export interface RestrictedSchema {
  /** The login of the proxy may. */
  readonly login: boolean;
  /** Its owner, and who has been granted USAGE. */
  readonly roles: readonly string[];
}

export class SchemaRights {
  /** Maps: clients choose the names that are looked up. */
  #schemas: ReadonlyMap<string, RestrictedSchema>;
  #superusers: ReadonlySet<string>;
  #of = new Map<string, readonly string[]>();

  constructor(restricted: RestrictedSchemas) {
    this.#schemas = new Map(Object.entries(restricted.schemas));
    this.#superusers = new Set(restricted.superusers);
    for (const { role, of } of restricted.members) {
      this.#of.set(role, [...(this.#of.get(role) ?? []), of]);
    }
  }

  /** Somebody may not use one of these. */
  restrict(path: readonly string[]): boolean {
    return path.some((schema) => this.#schemas.has(schema));
  }

  /** `role` null: the login. */
  mayUse(schema: string, role: string | null): boolean {
    const restricted = this.#schemas.get(schema);
    if (restricted === undefined) return true;
    if (role === null) return restricted.login;
    if (this.#superusers.has(role)) return true;
    const all = new Set([role]);
    for (const each of all) for (const of of this.#of.get(each) ?? []) all.add(of);
    return restricted.roles.some((each) => all.has(each));
  }
}
