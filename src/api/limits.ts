// Every bound of the REST API: the number, its unit and the reason for it.

/** A body of the API: one file name of the longest kind, every character written as an escape. */
export const API_BODY_BYTES_MAX = 65_536;

/** Characters (code points) of a file name; the longest key that common object stores take. */
export const FILE_NAME_CHARS_MAX = 1_024;

/** Records of one bulk: one transaction that long keeps dead rows from being vacuumed. */
export const BULK_RECORDS_MAX = 10_000_000;

/** Rows of one COPY of a bulk, some 1 MB: a tenth of a second between two looks at a cancel. */
export const BULK_BATCH_ROWS = 25_000;

/** Bulks that run at once; each holds one connection of the API's pool and writes to every shard. */
export const BULKS_RUNNING_MAX = 2;

/** Ended bulks whose outcome can still be asked for; some 300 bytes each. */
export const BULKS_REMEMBERED_MAX = 1_000;

/** Milliseconds between two progress lines of a bulk's stream, for people and dashboards to watch. */
export const BULK_PROGRESS_MS = 250;

/** Files of one page of a user's files, and when the request names no limit. */
export const FILES_PAGE_MAX = 1_000;
export const FILES_PAGE_DEFAULT = 100;

/** Milliseconds a request of the API may take to arrive. */
export const API_REQUEST_TIMEOUT_MS = 30_000;

/** Milliseconds an idle keep-alive connection stays open; above the 60 s of common balancers. */
export const API_KEEP_ALIVE_MS = 65_000;

/** Milliseconds the API waits for one statement before it answers 504. */
export const API_STATEMENT_TIMEOUT_MS = 30_000;

/** Milliseconds a closing API waits for answers under way; container engines kill after 10 s. */
export const API_CLOSE_TIMEOUT_MS = 8_000;

/** Milliseconds the API waits for the proxy's word on the shards before it calls it unreachable. */
export const API_HEALTH_TIMEOUT_MS = 3_000;
