// Cursor history: what brought a cursor to where it is, to be done again by another name.

const DECLARES = /^\s*declare\s+("?\w+"?)\s/i;
const MOVES = /^\s*(?:fetch|move)\b.*?("?\w+"?)\s*$/is;
const AGAIN = 'again';

/** Of one script. A cursor that is declared anew begins anew. */
export class CursorHistory {
  readonly #statements = new Map<string, string[]>();

  note(sql: string): void {
    const [, declared] = DECLARES.exec(sql) ?? [];
    if (declared !== undefined) this.#statements.set(declared.toLowerCase(), [sql]);
    else this.#of(sql)?.push(sql);
  }

  /** From DECLARE to the statement, which has been noted, on a cursor of its own; null: no cursor's. */
  again(sql: string): readonly string[] | null {
    const statements = this.#of(sql);
    if (statements === undefined) return null;
    const name = MOVES.exec(sql)![1]!;
    return statements.map((each) => each.replace(new RegExp(`${name}\\b`, 'i'), AGAIN));
  }

  #of(sql: string): string[] | undefined {
    return this.#statements.get(MOVES.exec(sql)?.[1]?.toLowerCase() ?? '');
  }
}
