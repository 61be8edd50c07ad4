// The columns that pgbouncer's console gives to what it shows, which exporters ask for by name.

const SOCKETS =
  'type user database replication state addr port local_addr local_port connect_time ' +
  'request_time wait wait_us close_needed ptr link remote_pid tls application_name ' +
  'prepared_statements id';

/** Names in order, separated by blanks. Source: admin.c and stats.c of pgbouncer 1.24. */
export const PGBOUNCER_COLUMNS: Readonly<Record<string, string>> = {
  VERSION: 'version',
  CONFIG: 'key value default changeable',
  LISTS: 'list items',
  MEM: 'name size used free memtotal',
  STATE: 'key value',
  USERS:
    'name pool_size reserve_pool_size pool_mode max_user_connections current_connections ' +
    'max_user_client_connections current_client_connections',
  DATABASES:
    'name host port database force_user pool_size min_pool_size reserve_pool_size ' +
    'server_lifetime pool_mode load_balance_hosts max_connections current_connections ' +
    'max_client_connections current_client_connections paused disabled',
  POOLS:
    'database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active ' +
    'sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us ' +
    'pool_mode load_balance_hosts',
  CLIENTS: SOCKETS,
  SERVERS: SOCKETS,
  STATS:
    'database total_server_assignment_count total_xact_count total_query_count total_received ' +
    'total_sent total_xact_time total_query_time total_wait_time total_client_parse_count ' +
    'total_server_parse_count total_bind_count avg_server_assignment_count avg_xact_count ' +
    'avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time ' +
    'avg_client_parse_count avg_server_parse_count avg_bind_count',
  STATS_TOTALS:
    'database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time ' +
    'query_time wait_time client_parse_count server_parse_count bind_count',
};
