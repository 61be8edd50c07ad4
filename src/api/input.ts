// Reads paths, queries and bodies by their TypeBox schema, with pydantic's coercions and complaints.

import { type InputFault, inputRefused } from './failure.ts';
import type { Static, TObject, TSchema } from './typebox.ts';

/** The keywords of a field's schema that this reader knows. */
interface FieldRule {
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

type Outcome = { readonly value: unknown } | { readonly msg: string; readonly type: string };
type Place = 'body' | 'query' | 'path';

const INT8_MIN = -(2n ** 63n);
const INT8_MAX = 2n ** 63n - 1n;
/** Python's int() takes a sign and underscores between digits; 4,300 digits is its own cap. */
const INTEGER_TEXT = /^[+-]?[0-9]+(?:_[0-9]+)*$/;
const INTEGER_CHARS_MAX = 4_300;
const LARGE_DOUBLE = 'too large to be exact: write its digits only';

const NOT_AN_INTEGER: Outcome = { type: 'int_type', msg: 'Input should be a valid integer' };

function integerOf(value: unknown): bigint | Outcome {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return BigInt(value);
    // 9007199254740993.0 is a double by its notation, and no longer the number that was meant.
    const why = Math.abs(value) > Number.MAX_SAFE_INTEGER ? LARGE_DOUBLE : 'with a fractional part';
    return {
      type: 'int_from_float',
      msg: `Input should be a valid integer, got a number ${why}`,
    };
  }
  if (typeof value !== 'string') return NOT_AN_INTEGER;
  const text = value.trim();
  if (text.length > INTEGER_CHARS_MAX || !INTEGER_TEXT.test(text)) {
    return {
      type: 'int_parsing',
      msg: 'Input should be a valid integer, unable to parse string as an integer',
    };
  }
  return BigInt(text.replaceAll('_', '').replace(/^\+/, ''));
}

function readInteger(rule: FieldRule, value: unknown): Outcome {
  const integer = integerOf(value);
  if (typeof integer !== 'bigint') return integer;
  const wide = rule.format === 'int64';
  const least = wide ? INT8_MIN : BigInt(rule.minimum ?? Number.MIN_SAFE_INTEGER);
  const most = wide ? INT8_MAX : BigInt(rule.maximum ?? Number.MAX_SAFE_INTEGER);
  if (integer < least) {
    const msg = `Input should be greater than or equal to ${least}`;
    return { type: 'greater_than_equal', msg };
  }
  if (integer > most) {
    return { type: 'less_than_equal', msg: `Input should be less than or equal to ${most}` };
  }
  return { value: wide ? integer : Number(integer) };
}

function characters(count: number): string {
  return count === 1 ? '1 character' : `${count} characters`;
}

function readString(rule: FieldRule, value: unknown): Outcome {
  if (typeof value !== 'string') {
    return { type: 'string_type', msg: 'Input should be a valid string' };
  }
  // PostgreSQL's text holds neither of the two: the first it refuses, the second is no UTF-8.
  if (value.includes('\0') || !value.isWellFormed()) {
    return {
      type: 'string_unicode',
      msg: 'Input should be a valid string, without NUL and without half a surrogate pair',
    };
  }
  const length = [...value].length;
  const least = rule.minLength ?? 0;
  const most = rule.maxLength ?? Number.POSITIVE_INFINITY;
  if (length < least) {
    const msg = `String should have at least ${characters(least)}`;
    return { type: 'string_too_short', msg };
  }
  if (length > most) {
    return { type: 'string_too_long', msg: `String should have at most ${characters(most)}` };
  }
  return { value };
}

function readField(rule: FieldRule, value: unknown): Outcome {
  if (rule.type === 'integer') return readInteger(rule, value);
  if (rule.type === 'string') return readString(rule, value);
  throw new TypeError(`an input field of type ${rule.type} has no reader`);
}

/** What was given under `name`; of a query parameter that is repeated, the last counts. */
function given(input: object, name: string, place: Place): unknown {
  if (!Object.hasOwn(input, name)) return undefined;
  const value: unknown = Reflect.get(input, name);
  return place === 'query' && Array.isArray(value) ? value.at(-1) : value;
}

function isObject(input: unknown): input is object {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

/**
 * The fields that `schema` names, read from `input`; int64 fields become bigint, others as typed.
 * Fields the schema does not name are left out. The schema is flat: integers and strings only.
 * @throws ApiFailure 422 that lists every fault.
 */
export function readInput<Schema extends TObject>(
  schema: Schema,
  place: Place,
  input: unknown,
): Static<Schema> {
  if (input === undefined || input === null) {
    throw inputRefused([{ loc: [place], msg: 'Field required', type: 'missing' }]);
  }
  if (!isObject(input)) {
    const msg = 'Input should be a valid dictionary or object to extract fields from';
    throw inputRefused([{ loc: [place], msg, type: 'model_attributes_type' }]);
  }
  const faults: InputFault[] = [];
  const fields: Record<string, unknown> = {};
  const required = new Set<string>(schema.required ?? []);
  for (const [name, member] of Object.entries<TSchema>(schema.properties)) {
    const rule: FieldRule = member;
    const value = given(input, name, place);
    if (value === undefined) {
      if (rule.default !== undefined) fields[name] = rule.default;
      else if (required.has(name)) {
        faults.push({ loc: [place, name], msg: 'Field required', type: 'missing' });
      }
      continue;
    }
    const outcome = readField(rule, value);
    if ('value' in outcome) fields[name] = outcome.value;
    else faults.push({ loc: [place, name], msg: outcome.msg, type: outcome.type });
  }
  if (faults.length > 0) throw inputRefused(faults);
  return fields as Static<Schema>;
}
