// Routine settings: which of the users' routines may leave a setting behind on their server.

export interface SettingRoutine {
  readonly name: string;
  readonly body: string;
  /** What runs it unseen: a trigger, or anything else (an operator, a default, a policy, a view). */
  readonly usedBy?: 'trigger' | 'other' | null;
}

/** What of a statement says that settings may stay behind. */
export interface SettingRoutines {
  /** In lower case: a statement that names one may call it. */
  readonly names: ReadonlySet<string>;
  /** One of them is run by triggers: any write may do so. */
  readonly byTriggers: boolean;
  /** One of them is run by what no statement names. */
  readonly unseen: boolean;
}

const WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;

/** By their bodies: those that set something, and those that name another such routine. */
export function settingRoutines(routines: readonly SettingRoutine[]): SettingRoutines {
  const names = new Set(
    routines.filter(({ body }) => leavesSettings(body)).map(({ name }) => name.toLowerCase()),
  );
  if (names.size > 0) {
    const others = routines.map(({ name, body }) => ({
      name: name.toLowerCase(),
      words: body.toLowerCase().match(WORD) ?? [],
    }));
    for (let before = -1; before !== names.size; ) {
      before = names.size;
      for (const { name, words } of others) if (words.some((w) => names.has(w))) names.add(name);
    }
  }
  const users = routines.filter(({ name }) => names.has(name.toLowerCase()));
  return {
    names,
    byTriggers: users.some(({ usedBy }) => usedBy === 'trigger'),
    unseen: users.some(({ usedBy }) => usedBy === 'other'),
  };
}

const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//g;
/** Where a statement may begin: not the SET of an UPDATE. */
const STATEMENT = String.raw`(?:^|;|'|\$\$|\bbegin\b|\bthen\b|\belse\b|\bloop\b)\s*`;
const SET = new RegExp(
  String.raw`${STATEMENT}(?:re)?set\s+(?!local\b|constraints\b|transaction\b)`,
);
const SET_CONFIG = /\bset_config"?\s*\(/g;

/** False where the text of a routine or DO block surely sets nothing beyond its transaction. */
export function leavesSettings(body: string): boolean {
  const text = body.replace(COMMENT, ' ').toLowerCase();
  if (SET.test(text) || /\bupdate\s+(?:pg_catalog\.)?pg_settings\b/.test(text)) return true;
  for (const { index, 0: call } of text.matchAll(SET_CONFIG)) {
    if (!isLocal(text, index + call.length)) return true;
  }
  // Named without a call of its own: in a text that is put together.
  return /set_config(?!"?\s*\()/.test(text);
}

/** The call whose arguments begin at `start` ends in `, true)`. */
function isLocal(text: string, start: number): boolean {
  let depth = 1;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth === 0) return /,\s*(is_local\s*(=>|:=)\s*)?'?true'?\s*$/.test(text.slice(start, i));
  }
  return false;
}
