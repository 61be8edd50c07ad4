// Not streamed: the list of what has the home shard compute a SELECT over copies, as docs/sql.md prints it.

/** What no stream of the shards' rows can be merged into: one server computes it over copies. */
export const NOT_STREAMED = {
  derivedOrder: 'ORDER BY in a sub-query or view whose rows are passed on as they come',
  noFrom: 'a query whose FROM has no sharded table, with a sub-query over several shards',
  aggregate:
    'an aggregate other than count, sum, min, max and avg, or one with DISTINCT or ORDER BY',
  aggregateExpression:
    'an output column that is neither a grouping expression nor one aggregate alone',
  having: 'a HAVING condition that is more than comparisons of groups, aggregates and literals',
  sortUsing: 'ORDER BY … USING',
  sortCollation: 'sorting text by a collation other than C',
  sortExpression:
    'ORDER BY, GROUP BY, min or max of an expression with a function that may give two answers',
  collatedGroup: 'grouping or DISTINCT under a collation that may hold different text equal',
  lockReference:
    'FOR UPDATE or FOR SHARE of rows of a reference table, which are locked on shard 0',
  advisoryLock: 'an advisory lock of the transaction, which is taken on shard 0',
  notification: 'pg_notify(), which is heard on shard 0',
  temporaryObject: "a function or type of the session's own (pg_temp), which is on shard 0",
  limitExpression: 'LIMIT or OFFSET by an expression, or WITH TIES',
} as const;

export type NotStreamedReason = keyof typeof NOT_STREAMED;
