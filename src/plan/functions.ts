// Functions: what the planner knows of PostgreSQL's own functions, by name.

import type { Call, Expression } from '../sql/expression.ts';
import type { RelationName } from '../sql/statement.ts';
import type { Catalog } from '../topology/table.ts';
import type { PinReason } from './plan.ts';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/**
 * Functions of pg_catalog (PostgreSQL 18, pg_proc) that are no aggregates, return one row, are not
 * volatile and depend on nothing but their arguments and the session's settings and time: any shard
 * computes the same.
 */
const SCALAR = words(`
  abbrev abs acos acosd acosh age area array_append array_cat array_dims array_fill array_length
  array_lower array_ndims array_position array_positions array_prepend array_remove array_replace
  array_reverse array_sort array_to_json array_to_string array_to_tsvector array_upper ascii asin asind
  asinh atan atan2 atan2d atand atanh bit bit_count bit_length bool box bpchar broadcast btrim bytea
  cardinality casefold cash_words cbrt ceil ceiling center char char_length character_length chr cidr
  circle concat concat_ws convert convert_from convert_to cos cosd cosh cot cotd crc32 crc32c
  current_setting date date_add date_bin date_part date_subtract date_trunc datemultirange daterange
  decode degrees diagonal diameter div encode enum_first enum_last enum_range erf erfc exp extract
  factorial family float4 float8 floor format gamma gcd get_bit get_byte get_current_ts_config hashint4
  hashint4extended hashint8 hashint8extended hashtext hashtextextended height host hostmask inet_merge
  inet_same_family initcap int2 int4 int4multirange int4range int8 int8multirange int8range interval
  is_normalized isclosed isempty isfinite ishorizontal isopen isparallel isperp isvertical
  json_array_length json_build_array json_build_object json_extract_path json_extract_path_text
  json_object json_strip_nulls json_to_tsvector json_typeof jsonb_array_length jsonb_build_array
  jsonb_build_object jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
  jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query_array
  jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_pretty jsonb_set
  jsonb_set_lax jsonb_strip_nulls jsonb_to_tsvector jsonb_typeof justify_days justify_hours
  justify_interval lcm left length lgamma line ln log log10 lower lower_inc lower_inf lpad lseg ltrim
  macaddr macaddr8 macaddr8_set7bit make_date make_interval make_time make_timestamp make_timestamptz
  masklen md5 min_scale mod money multirange netmask network normalize now npoints num_nonnulls
  num_nulls numeric nummultirange numnode numrange octet_length overlaps overlay parse_ident path
  pclose pg_size_bytes pg_size_pretty pg_typeof phraseto_tsquery pi plainto_tsquery point polygon popen
  position pow power querytree quote_ident quote_literal quote_nullable radians radius range_merge
  regexp_count regexp_instr regexp_like regexp_match regexp_replace regexp_split_to_array regexp_substr
  repeat replace reverse right round row_to_json rpad rtrim scale set_bit set_byte set_masklen
  setweight sha224 sha256 sha384 sha512 sign sin sind sinh slope split_part sqrt starts_with
  statement_timestamp string_to_array strip strpos substr substring tan tand tanh text time timestamp
  timestamptz timetz timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct
  to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim_array trim_scale trunc
  ts_delete ts_filter ts_headline ts_lexize ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange
  tstzmultirange tstzrange tsvector_to_array unicode_assigned unistr upper upper_inc upper_inf
  uuid_extract_timestamp uuid_extract_version varbit varchar version websearch_to_tsquery width
  width_bucket xml xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment
  xmlexists xmltext xpath xpath_exists
`);

const AGGREGATE = words(`
  any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp
  every json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
  json_object_agg_unique_strict jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict
  jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode percentile_cont
  percentile_disc range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2
  regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp
  variance xmlagg
`);

/** Only windows; rank and its kin are aggregates too, WITHIN GROUP. */
const WINDOW = words(`
  cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
`);

/** Volatile, but each call stands alone: evaluated per row on a shard it is as right as anywhere. */
const PER_ROW = words('random gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday pg_sleep');

/** They tell of their transaction or connection, or count. */
const TELLS = words('nextval pg_backend_pid pg_current_xact_id pg_trigger_depth txid_current');

/** Functions that return several rows, the same on any shard. */
const ROWS = words(`
  generate_series generate_subscripts unnest json_array_elements json_array_elements_text json_each
  json_each_text json_object_keys jsonb_array_elements jsonb_array_elements_text jsonb_each
  jsonb_each_text jsonb_object_keys jsonb_path_query json_to_recordset jsonb_to_recordset
  json_to_record jsonb_to_record json_populate_recordset jsonb_populate_recordset
  regexp_matches regexp_split_to_table string_to_table
`);

/** Functions that run a query or read a table given as text or name, unseen by the planner. */
const RUNS_TEXT = words(`
  query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml table_to_xml
  table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xml_and_xmlschema
  database_to_xml database_to_xml_and_xmlschema ts_stat ts_rewrite
`);

/** Their answer depends on what ran before on the same server connection. */
export const SEQUENCE_MEMORY = words('currval lastval');

const SESSION_LOCK = words(
  'pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared',
);

/** Reading functions of pg_catalog that are not in SCALAR all start so, but for these. */
const WRITES = words(`
  pg_notify pg_terminate_backend pg_reload_conf pg_rotate_logfile pg_switch_wal pg_promote
  pg_create_restore_point pg_logical_emit_message pg_replication_origin_create
`);

const isBuiltIn = (call: Call) => call.schema === null || call.schema === 'pg_catalog';

/** drive.shard_id() and its kin are constants of each shard. */
export function isScalar(call: Call): boolean {
  if (call.schema === 'drive') return true;
  return isBuiltIn(call) && (SCALAR.has(call.name) || isPlainRewrite(call));
}

/**
 * Any shard computes the same of its arguments. What users have under a name of PostgreSQL's may be meant by it; their
 * own functions are known by the catalog.
 */
export function isScalarOf(call: Call, catalog: Catalog): boolean {
  if (call.schema === 'pg_catalog' || call.schema === 'drive') return isScalar(call);
  const isPlain = isScalar(call) || isUnknown(call);
  if (isPlain && catalog.scalarRoutines.has(call.name)) {
    return !catalog.timeRoutines.telling.has(call.name.toLowerCase());
  }
  return isScalar(call) && !catalog.hasRoutine(call.name);
}

export function isAggregate(call: Call): boolean {
  if (call.over !== null) return false;
  if (call.star || call.distinct || call.filter !== null || call.order.length > 0) return true;
  return call.withinGroup || (isBuiltIn(call) && AGGREGATE.has(call.name));
}

export function isPerRow(call: Call): boolean {
  return isBuiltIn(call) && PER_ROW.has(call.name);
}

/** A function of that name of pg_catalog takes nothing from a table and does nothing to one. */
export const isOwnComputation = (name: string): boolean =>
  SCALAR.has(name) || PER_ROW.has(name) || TELLS.has(name);

/** random() and its kin anywhere in it: two readings would not find the same. */
export function asksChance(part: unknown): boolean {
  const open = [part];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if ('kind' in next && next.kind === 'call' && isPerRow(next as Call)) return true;
    open.push(...Object.values(next));
  }
  return false;
}

/** PostgreSQL has no function of that name, or none that is known here. */
export const isOwnName = (name: string): boolean =>
  ![SCALAR, AGGREGATE, PER_ROW, ROWS, WINDOW].some((known) => known.has(name));

/** A function whose kind is not known: it may be an aggregate, return rows, or remember things. */
export function isUnknown(call: Call): boolean {
  if (isScalar(call) || isAggregate(call) || isPerRow(call)) return false;
  if (isBuiltIn(call) && ROWS.has(call.name)) return false;
  return !(
    call.over !== null &&
    isBuiltIn(call) &&
    (WINDOW.has(call.name) || AGGREGATE.has(call.name))
  );
}

export function runsText(call: Call): boolean {
  return isBuiltIn(call) && RUNS_TEXT.has(call.name) && !isPlainRewrite(call);
}

/** ts_rewrite(query, target, substitute); with two arguments the second is a query to run. */
const isPlainRewrite = (call: Call): boolean =>
  call.name === 'ts_rewrite' && call.args.length === 3;

export function exportsSnapshot(call: Call): boolean {
  return isBuiltIn(call) && call.name === 'pg_export_snapshot';
}

/** The functions behind pg_prepared_statements and pg_cursors. */
export function tellsOfConnection(call: Call): boolean {
  return isBuiltIn(call) && (call.name === 'pg_prepared_statement' || call.name === 'pg_cursor');
}

export function remembersSequence(call: Call): boolean {
  return isBuiltIn(call) && SEQUENCE_MEMORY.has(call.name);
}

/** Functions that may write rows: users' own, and a few built-in ones. */
export function mayWrite(call: Call): boolean {
  if (isBuiltIn(call) && (WRITES.has(call.name) || call.name.startsWith('lo_'))) return true;
  if (!isUnknown(call) || call.schema === 'pg_catalog') return false;
  return !READS.test(call.name);
}

const READS =
  /^(pg_|has_|inet_|to_reg|txid_|current_|generate_|unnest$|json_|jsonb_|regexp_|string_to|col_d|obj_d|shobj_d|format_type$|array_|nextval$|setval$|set_config$|setseed$|row_security|amvalidate$|acl|makeaclitem$|getdatabaseencoding$|session_user$|quote_|xpath|information_schema)/;

/**
 * How long the advisory lock is held that it is about; null: it is about none. Statements meet at one only on one
 * server.
 */
export function advisoryLockOf(call: Call): 'session' | 'transaction' | null {
  if (!isBuiltIn(call) || !/^pg_(try_)?advisory_/.test(call.name)) return null;
  return call.name.includes('_xact_') ? 'transaction' : 'session';
}

/** Who listens hears it on the home shard. */
export const notifies = (call: Call): boolean => isBuiltIn(call) && call.name === 'pg_notify';

/** It may look up a relation by a name that is given as text. */
export const readsNames = (call: Call): boolean => isBuiltIn(call) && READS_NAMES.test(call.name);

const READS_NAMES =
  /^(to_reg|has_|col_|obj_|pg_(get|relation|table|total|indexes|sequence|partition)_)/;

/** Whether it gives back what SESSION_LOCK has taken. */
export function releasesLock(call: Call): boolean {
  return isBuiltIn(call) && call.name.startsWith('pg_advisory_unlock');
}

/** Why this call ties the session to its server connection; null when it does not. */
export function pinOf(call: Call): PinReason | null {
  if (!isBuiltIn(call)) return null;
  if (SESSION_LOCK.has(call.name)) return 'advisory lock';
  return call.name === 'setseed' ? 'session state' : null;
}

/**
 * The same where the user has chosen the shard: set_config() is then not followed, and currval(),
 * which is refused otherwise, may come behind nextval().
 */
export function pinByHand(call: Call): PinReason | null {
  const pin = pinOf(call);
  if (pin !== null || !isBuiltIn(call)) return pin;
  if (isSequenceCall(call)) return 'session state';
  return call.name === 'set_config' && !isTrue(call.args[2]) ? 'set_config' : null;
}

export const setsSequence = (call: Call): boolean => isBuiltIn(call) && call.name === 'setval';

/** The text that a server was sent, which for several shards is not the client's. */
export const tellsText = (call: Call): boolean => isBuiltIn(call) && call.name === 'current_query';

/** When a statement came to a server: each shard has its own of one statement. */
export const tellsStatement = (call: Call): boolean =>
  isBuiltIn(call) && call.name === 'statement_timestamp';

/** The relation that a string literal names, cast or not; null: it is something else, or quoted. */
export function relationIn(expression: Expression): RelationName | null {
  if (expression.kind === 'cast') return relationIn(expression.arg);
  if (expression.kind !== 'constant' || expression.type !== 'string') return null;
  const found = /^\s*(?:(\w+)\.)?(\w+)\s*$/.exec(expression.text.toLowerCase());
  return found === null ? null : { catalog: null, schema: found[1] ?? null, name: found[2]! };
}

/** nextval() and setval(): several shards would each do it. */
export function isSequenceCall(call: Call): boolean {
  return isBuiltIn(call) && (call.name === 'nextval' || call.name === 'setval');
}

function isTrue(expression: Expression | undefined): boolean {
  return (
    expression?.kind === 'constant' && expression.type === 'boolean' && expression.text === 'true'
  );
}

/** Types whose values and names are the same on every server. */
const BUILT_IN_TYPE = words(`
  bool boolean int2 int4 int8 smallint integer int bigint numeric decimal float4 float8 real text
  varchar bpchar char name bytea date time timetz timestamp timestamptz interval uuid json jsonb xml
  bit varbit inet cidr macaddr macaddr8 point line lseg box path polygon circle money tsvector tsquery
  int4range int8range numrange daterange tsrange tstzrange oid jsonpath pg_lsn
`);

export function isBuiltInType(schema: string | null, name: string): boolean {
  return (schema === null || schema === 'pg_catalog') && BUILT_IN_TYPE.has(name);
}

const COLLATABLE_TYPE = words('text varchar bpchar char name citext');

/** False only for types that are certainly compared without a collation. */
export function isCollatableType(schema: string | null, name: string): boolean {
  return !isBuiltInType(schema, name) || COLLATABLE_TYPE.has(name);
}

/** SCALAR functions that may give something that is compared by a collation. */
const TEXT = words(`
  abbrev array_append array_cat array_dims array_fill array_prepend array_remove array_replace
  array_reverse array_sort array_to_string bpchar btrim casefold cash_words chr concat concat_ws
  convert_from current_setting encode enum_first enum_last enum_range format host initcap
  json_extract_path_text json_typeof jsonb_extract_path_text jsonb_pretty jsonb_typeof left lower lpad
  ltrim md5 multirange normalize overlay parse_ident pg_size_pretty querytree quote_ident quote_literal
  quote_nullable range_merge regexp_match regexp_replace regexp_split_to_array regexp_substr repeat
  replace reverse right rpad rtrim split_part string_to_array substr substring text to_ascii to_bin
  to_char to_hex to_oct translate trim_array ts_headline ts_lexize tsvector_to_array unistr upper
  varchar version
`);

/** A function of PostgreSQL's own: false only where it certainly gives nothing that a collation compares. */
export const givesText = (call: Call): boolean =>
  TEXT.has(call.name) || !(isScalar(call) || WITHOUT_TEXT.has(call.name));

/** Aggregates and windows that never do. */
const WITHOUT_TEXT = words('count sum avg row_number rank dense_rank ntile');
