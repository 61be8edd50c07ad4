// Every bound of the project in one place: the number, its unit and the reason for it.

/** A startup packet longer than this is refused. PostgreSQL: MAX_STARTUP_PACKET_LENGTH. */
export const STARTUP_PACKET_BYTES_MAX = 10_000;

/** A message of a client longer than this ends its session; PostgreSQL's own cap is 1 GiB - 1. */
export const CLIENT_MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Before a client is authenticated it has no business sending more (a SCRAM message is < 1 KiB). */
export const UNAUTHENTICATED_MESSAGE_BYTES_MAX = 65_536;

/** PostgreSQL cannot make a message longer than 1 GiB; a longer length is garbage. */
export const SERVER_MESSAGE_BYTES_MAX = 0x3fffffff;

/** Text longer than this is not parsed on the event loop's budget: 30 µs per 100 B, about 20 ms. */
export const PARSED_SQL_BYTES_MAX = 16 * 1024 * 1024;

/** Parentheses and operators nested deeper than this overflow the parser's WASM stack near 9,000. */
export const SQL_NESTING_MAX = 2_000;

/** A cancel request that a server does not take within this many milliseconds is given up. */
export const CANCEL_TIMEOUT_MS = 5_000;

/** After a failed connection attempt a shard's statements fail at once for this long. */
export const SHARD_RETRY_MS = 1_000;

/** Clients that wait for a connection of one shard; more get 53300 at once. */
export const POOL_WAITERS_MAX = 10_000;

/** Prepared statements kept on one server connection; each holds a plan of some 10 KB there. */
export const SERVER_STATEMENTS_MAX = 500;

/** Rows of one shard held for a merge before its socket is paused; a few socket reads' worth. */
export const MERGE_QUEUE_BYTES_MAX = 1024 * 1024;

/** What a client sends while its last statement is still running: then its socket is paused. */
export const CLIENT_BUFFER_BYTES_MAX = 1024 * 1024;

/** Rows a merge hands on at once: enough that awaiting a batch costs nothing per row. */
export const MERGE_BATCH_ROWS = 512;

/** Bytes counted for one row kept by a merge beyond its own: map entry, string and array headers. */
export const MERGE_ROW_OVERHEAD_BYTES = 128;

/** Query levels of one statement that are planned; a WITH query counts at each use, which nests. */
export const QUERY_LEVELS_MAX = 1_000;
