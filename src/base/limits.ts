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

/** Behind a statement of a session that listens: a shard that could not be asked is asked again no sooner. */
export const LISTEN_RETRY_MS = 10_000;

/** A shard that could not be reached is tried again after this time, then after twice as long, … */
export const SHARD_RETRY_MS = 200;

/** … up to this: what a shard that is back is missed for at most, at a cost it does not notice. */
export const SHARD_RETRY_MS_MAX = 5_000;

/** Idle connections of a shard that are checked at each tick: 16 a second, of some 50. */
export const IDLE_CHECKS_MAX = 4;

/** Clients that wait for a connection of one shard; more get 53300 at once. */
export const POOL_WAITERS_MAX = 10_000;

/** Prepared statements kept on one server connection; each holds a plan of some 10 KB there. */
export const SERVER_STATEMENTS_MAX = 500;

/** Rows of one shard held for a merge before its socket is paused; a few socket reads' worth. */
export const MERGE_QUEUE_BYTES_MAX = 1024 * 1024;

/** What a client sends while its last statement is still running: then its socket is paused. */
export const CLIENT_BUFFER_BYTES_MAX = 1024 * 1024;

/** What the proxy has to say to a client is gathered up to here before it is written. */
export const CLIENT_WRITE_BYTES = 65_536;

/** Rows a merge hands on at once: enough that awaiting a batch costs nothing per row. */
export const MERGE_BATCH_ROWS = 512;

/** Rows a cursor over several shards asks a shard for before it knows how large they are. */
export const CURSOR_FIRST_ROWS = 64;

/** Rows of one shard read ahead that a cursor keeps between two FETCHes; more are fetched again. */
export const CURSOR_KEPT_BYTES_MAX = 128 * 1024;

/** Cursors of a session over several shards that read ahead; further ones are over copies. */
export const CURSORS_STREAMED_MAX = 64;

/** What a FETCH gives is held back so far, as an error in it is all that PostgreSQL then answers. */
export const FETCH_HELD_BYTES_MAX = 1024 * 1024;

/** Bytes counted for one row kept by a merge beyond its own: map entry, string and array headers. */
export const MERGE_ROW_OVERHEAD_BYTES = 128;

/** Query levels of one statement that are planned; a WITH query counts at each use, which nests. */
export const QUERY_LEVELS_MAX = 1_000;

/** Milliseconds the API waits for a connection to the proxy before it answers 503. */
export const API_CONNECT_TIMEOUT_MS = 5_000;

/** How often a starting or stopping local server is looked at: it takes some 150 ms. */
export const SERVER_POLL_MS = 10;

/** A server that a killed owner left is given this long to stop, then as long again by force. */
export const LEFTOVER_STOP_MS = 10_000;

/** A local server starts in 0.2 s; recovery after a crash reads at most max_wal_size, 1 GB. */
export const SERVER_START_MS = 120_000;

/** A local server that is asked to stop writes a checkpoint; after this long it is forced. */
export const SERVER_STOP_MS = 20_000;

/** Shards of one cluster: the stride of ids, which leaves every shard numbers of its own. */
export const SHARDS_MAX = 1024;

/** Milliseconds the installer of sql/ waits for a shard before it calls it unreachable. */
export const SCHEMA_CONNECT_TIMEOUT_MS = 10_000;

/** Cancel keys of protocol 3.2, in bytes; 3.0 has 4. PostgreSQL 18 sends 32. */
export const CANCEL_KEY_BYTES = 32;

/** Process ids given to clients: positive int4, as a real backend's. */
export const PROCESS_ID_MAX = 0x7fffffff;

/** Worker processes of one proxy; more cores than this have not been tried. */
export const WORKERS_MAX = 64;

/** By default there are no more workers than have so many connections each to every shard. */
export const WORKER_CONNECTIONS_MIN = 8;

/** Numbers for workers, which process ids name; twice as many are alive while a restart is under way. */
export const WORKER_NUMBERS = 256;

/** Connections that wait to be accepted; the system cuts it down to its own bound (somaxconn). */
export const LISTEN_BACKLOG = 4096;

/** Sets of startup settings whose validity and ParameterStatus values are remembered. */
export const STARTUP_SETTINGS_MAX = 1_000;

/** After a shutdown began, open statements and transactions may take this long to end. */
export const SHUTDOWN_GRACE_MS = 10_000;

/** A prepared part older than this has lost its proxy: a healthy second phase takes milliseconds. */
export const RECOVERY_GRACE_MS = 5_000;

/** The same where its proxy is known to be alive: it hangs on a server that does not answer. */
export const RECOVERY_LIVING_GRACE_MS = 30_000;

/**
 * What waits for no free connection (recovery, the decision on a commit, a reload of the schema) gives a shard
 * so long: seconds above reading a large catalog, and who comes behind it waits as long at most.
 */
export const AT_ONCE_MS_MAX = 30_000;

/** How often prepared parts are looked for, and the catalog for changes made past the proxy. */
export const HOUSEKEEPING_INTERVAL_MS = 5_000;

/** A decision must outlive any proxy that might still act on it. */
export const DECISION_KEPT_HOURS = 24;

/** At start the proxy waits this long for the home shard, whose catalog it needs. */
export const HOME_SHARD_START_MS = 30_000;

/** How often it is asked meanwhile. */
export const HOME_SHARD_POLL_MS = 500;

/** A signal within this many milliseconds of the first is the same Ctrl-C, passed on by npm. */
export const REPEATED_SIGNAL_MS = 1_000;

/** A part that has not closed after this long is left; longer than any part's own timeouts. */
export const SHUTDOWN_PART_MS = 30_000;

/** Milliseconds `drive status` waits for a part to take a connection. */
export const STATUS_TIMEOUT_MS = 2_000;

/** Connections per shard that carry statements of many sessions; more only spread the pipelines. */
export const SHARED_CONNECTIONS_MAX = 4;

/** Requests in one pipeline before another connection joins in: then its backend has enough to do. */
export const SHARED_DEPTH_GOAL = 8;

/** Requests in one pipeline at most: what a stalled head can delay. */
export const SHARED_DEPTH_MAX = 64;

/** Statements that take longer on average would make others wait: they lease a connection. */
export const SHARED_STATEMENT_MS_MAX = 10;

/** Statements with larger answers on average lease a connection, too. */
export const SHARED_ANSWER_BYTES_MAX = 32_768;

/** Groups of a shard on their way at once: while one waits for the disk, others are computed. */
export const GROUPS_MAX = 4;

/** A longer statement leases a connection, so that a group does not become long. */
export const GROUP_STATEMENT_BYTES_MAX = 16_384;

/** Statements that take longer on average, with the wait for the disk, are not put into groups. */
export const GROUP_STATEMENT_MS_MAX = 100;

/** A group that takes longer waits for a lock: it is cancelled, and its statements are run alone. */
export const GROUP_MS_MAX = 250;

/** When the head of a pipeline takes longer, those behind it are sent on another connection. */
export const SHARED_HEAD_MS_MAX = 50;

/** How often pipelines are looked at for a stalled head. */
export const SHARED_WATCH_MS = 25;

/** Literals of one statement that become parameters; a long IN list is cheaper as text. */
export const PARAMETERIZED_LITERALS_MAX = 32;

/** After so many refusals by a server a statement is sent as its client wrote it, … */
export const KEPT_REFUSALS_MAX = 3;

/** … so many times, before it is tried again: what was wrong may have been the time of day. */
export const KEPT_REST_STATEMENTS = 2_000;

/** A shared connection with nothing to do for so long becomes an idle one. */
export const SHARED_REST_MS = 1_000;

/** Answers a slow client has not taken from a shared connection before others are led past it. */
export const SHARED_BACKLOG_BYTES_MAX = 256 * 1024;

/** A request of several statements that goes on after a cancel is cancelled again, … */
export const CANCEL_AGAIN_MS = 200;

/** … so many times: what goes on for longer is told by no cancel. */
export const CANCEL_TRIES = 10;

/** A statement whose client has gone is cancelled; if that does not end it, its connection is closed. */
export const ABANDONED_STATEMENT_MS = 10_000;

/** Different SQLSTATEs counted by themselves: PostgreSQL has some 260, functions may raise any. */
export const ERROR_CODES_COUNTED_MAX = 300;

/** How often sessions are looked at for timeouts: their precision, at a cost nobody notices. */
export const SESSION_WATCH_MS = 100;

/**
 * A server of a transaction that has nothing to do while another is at work hears a Sync so often: below
 * any idle_in_transaction_session_timeout that somebody sets, and next to no work.
 */
export const KEEP_AWAKE_MS = 500;

/** Plans and statements that SHOW PLANS and SHOW PREPARED list; a console is read by people. */
export const CONSOLE_ROWS_MAX = 10_000;

/** Clients the console takes beyond clientsMax, as superuser_reserved_connections. */
export const CONSOLE_CLIENTS_RESERVED = 3;

/** Averages of SHOW STATS are over one to two periods; pgbouncer's stats_period. */
export const STATS_PERIOD_MS = 60_000;

/** Characters of a statement's text that the console shows. */
export const CONSOLE_TEXT_CHARS_MAX = 500;

/** A client of the console sends nothing longer: its commands are words. */
export const CONSOLE_MESSAGE_BYTES_MAX = 65_536;

/** An idle server connection is probed by TCP after this long: below the 60 s of eager firewalls. */
export const SERVER_KEEPALIVE_MS = 45_000;

/** A row of COPY to sharded tables must be whole before its key is known: what is held for one. */
export const COPY_ROW_BYTES_MAX = 64 * 1024 * 1024;

/** COPY: bytes for one shard that are gathered into one message; PostgreSQL reads 64 KB at once. */
export const COPY_BATCH_BYTES = 64 * 1024;

/** COPY: bytes of a client that wait to be split before its socket is paused. */
export const COPY_INBOX_BYTES_MAX = 512 * 1024;

/** COPY: rows a server may be behind with, at 2 bytes each for their lines; two sockets hold less. */
export const COPY_LINES_KEPT_BYTES = 32 * 1024 * 1024;

/** A row that is longer is passed on as it comes; a shorter one whole, so that an error may follow. */
export const PIECEMEAL_BYTES_MIN = 256 * 1024;

/** Queries for users that run at once, each on a connection: strangers get so many of the shard's. */
export const LOOKUPS_RUNNING_MAX = 4;

/** Users whose passwords, or absence, are remembered; some 300 bytes each. */
export const USERS_REMEMBERED_MAX = 10_000;

/** COPY: a server that has not given up after this many milliseconds waits for something: cancelled. */
export const COPY_STOP_MS = 1_000;

/** Rows copied for the merge engine that are worth statistics: below, some hundred rows, any plan is fast. */
export const ENGINE_ANALYZE_BYTES_MIN = 64 * 1024;

/** A plan over such copies that PostgreSQL holds to be so costly, about a second, is worth indexes. */
export const ENGINE_INDEX_COST_MIN = 50_000;

/** Rows of a reference table that one statement copies to a shard: one array parameter. */
export const REFERENCE_COPY_ROWS = 1_000;

/** Rows that a change of a table's kind moves: one transaction, with the table locked all the time. */
export const MOVED_ROWS_MAX = 1_000_000;

/** Rows that are inserted one by one to see where triggers put them: three round trips each. */
export const PLACED_ROWS_MAX = 1_000;

/** The catalog waits so long for a view that somebody is changing; until then it is refused. */
export const VIEW_LOCK_TIMEOUT_MS = 500;

/** Bytes of rows that one INSERT of the proxy's own carries to a shard, of those that may be split. */
export const WRITE_BATCH_BYTES = 4 * 1024 * 1024;

/** Sharding keys that one SELECT computes: a select list has at most 1,664 items. */
export const KEYS_COMPUTED_AT_ONCE = 500;

/** Questions between two processes of the proxy that wait for their answers; some for each login. */
export const CHANNEL_ASKS_MAX = 20_000;

/** A process of the proxy answers within this time: it has only to look at its own memory. */
export const CHANNEL_DEADLINE_MS = 5_000;

/** A cancel request that is passed on: the time a shard gets to take it, and the way there. */
export const CANCEL_PASS_MS = CANCEL_TIMEOUT_MS + 1_000;

/** A worker that has not learnt of a schema change after this long is ended: it would plan wrongly. */
export const SCHEMA_TOLD_MS = 10_000;

/** A worker starts in about a second, once the home shard can be reached. */
export const WORKER_START_MS = HOME_SHARD_START_MS + 15_000;

/** RELOAD and RESTART, asked for through a worker. */
export const RESTART_MS = WORKER_START_MS + 15_000;

/** A worker that is told to end is killed after this long. */
export const WORKER_END_MS = SHUTDOWN_GRACE_MS + 5_000;

/** A worker that ends sooner than this after its start counts as one that cannot live. */
export const WORKER_STEADY_MS = 10_000;

/** After the second such loss in a row the next worker is started so much later, then twice … */
export const WORKER_RETRY_MS = 200;

/** … up to this: long enough that a loop of failures costs nothing, short enough for a repair. */
export const WORKER_RETRY_MS_MAX = 5_000;

/** A statement that has waited so long may wait for itself; PostgreSQL's own deadlock_timeout. */
export const DEADLOCK_WAIT_MS = 1_000;

/** The same of sessions that wait for connections which only they could give back. Much longer than connecting takes. */
export const POOL_KNOT_WAIT_MS = 250;

/** How often statements are looked at that may be in a deadlock over several shards. */
export const DEADLOCK_WATCH_MS = 500;

/** A prepared part that somebody else is finishing is looked at again after so many milliseconds, … */
export const PART_BUSY_MS = 20;

/** … and so often: 5 s, when its server has answered or is lost. */
export const PART_BUSY_TRIES = 250;

/** So long commits over shards wait for a snapshot of all shards at most, and it for each of them. */
export const SNAPSHOT_HOLD_MS = 5_000;

/** So long a change of the schema waits for other proxies to know of it, before they are cut off, … */
export const NEWS_ACKNOWLEDGED_MS = 5_000;

/** … and so often it is looked whether they are still there. */
export const NEWS_LOOK_MS = 100;

/** Before a table changes its kind, what waits for it is looked for so often, … */
export const KIND_QUIET_LOOKS = 3;

/** … so many milliseconds apart: what has been sent to a server is waiting there by then, … */
export const KIND_QUIET_MS = 20;

/** … and for so long at most. */
export const KIND_WAITERS_MS = 3_000;

/** A change that another proxy has announced holds this one up for so long at most. */
export const SCHEMA_HOLD_MS = 15_000;

/** So long a proxy waits for what others have open, to look for deadlocks with them, … */
export const NEWS_TRANSACTIONS_MS = 1_000;
/** … of which each tells what fits into a notification, which holds less than 8,000 bytes. */
export const NEWS_TRANSACTIONS_BYTES_MAX = 7_000;

/** Other processes whose last question is remembered: those of now, and what many restarts leave. */
export const NEWS_ASKERS_MAX = 1_000;

/** How soon a proxy that has lost the home shard tries to listen there again. */
export const NEWS_RECONNECT_MS = 250;

/** So often a statement is planned that waits while the schema changes: it waits for a connection each time. */
export const PLAN_TRIES_MAX = 20;

/**
 * So often rows without a key are looked for, because others have changed some before they could be locked. Who
 * has waited for a row has locked it where it is now, so that this takes a change in each of the short times
 * between looking and locking.
 */
export const PLACE_TRIES_MAX = 100;

/**
 * Rows of one leaf times those of another that the merge engine gets as parameters, of which PostgreSQL
 * knows so little that it may compare each with each; more go into tables, if they can.
 */
export const ENGINE_INLINE_PAIRS_MAX = 250_000;

/** Rows that the merge engine gets as parameters, in memory of the proxy; more go into tables. */
export const ENGINE_INLINE_BYTES_MAX = 1024 * 1024;

/** Rows found at once beyond those wanted, once some were locked by others: about as many workers. */
export const LOCK_CANDIDATES_MORE = 32;

/** The same where no table may be made for them: one Bind message, which memory holds three times. */
export const ENGINE_OWN_BYTES_MAX = 64 * 1024 * 1024;

/** Arrays and composites within each other whose oids are looked at: the stack holds so many. */
export const OID_NESTING_MAX = 500;

/** Chunks that nobody needs are given back from this size on: servers send 8 kB, or more if ahead. */
export const FREED_BYTES_MIN = 4_096;

/** Longer values of parameters are not searched for 'today' and the like: dates, and lists of some, are shorter. */
export const TIME_WORDS_BYTES_MAX = 4_096;
