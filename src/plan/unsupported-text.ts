// Unsupported text: the ledger of refusals as docs/sql.md prints it.

import { NOT_STREAMED } from './not-streamed.ts';
import { type Entry, REFUSED, SEVERAL_SHARDS, type SeveralShardsReason } from './unsupported.ts';

/**
 * What keeps the shards from computing a statement each by itself: a SELECT is computed by shard 0
 * then, and the rows of a write are found first. They are told of a write that cannot be done so either.
 */
const APART: ReadonlySet<string> = new Set<SeveralShardsReason>([
  'joinWithoutKey',
  'outerJoin',
  'setOperation',
  'subQuery',
  'derivedLimit',
  'derivedAggregate',
  'window',
  'groupingSets',
  'distinctOn',
  'unknownFunction',
]);

/** The section of docs/sql.md that lists the refusals; a test compares it. */
export function printUnsupported(): string {
  const rows = (entries: Record<string, Entry>, isIn: (reason: string) => boolean = () => true) =>
    Object.entries(entries)
      .filter(([reason]) => isIn(reason))
      .map(([, { what, hint }]) => `| ${what} | ${hint} |`)
      .join('\n');
  const copied = Object.values(NOT_STREAMED)
    .map((what) => `* ${what}`)
    .join('\n');
  return `## Computed by shard 0 over copies

For a SELECT with any of these, as for one whose tables, sub-queries or set operations do not stay on
the shard of a key, shard 0 gets copies of the rows in temporary tables and computes the statement as
it is:

${copied}

## Refused over several shards

These work where the sharding key restricts the statement to one shard.

| refused | what to do |
|---|---|
${rows(SEVERAL_SHARDS, (reason) => !APART.has(reason))}

A SELECT with any of the following is computed by shard 0 (above), and of a write the rows are found first. It is
refused, and the message names it, only of a write that cannot be done so either: because it also leaves
something to chance or to a function that may, or its rows cannot be told apart.

| refused of some writes | what to do |
|---|---|
${rows(SEVERAL_SHARDS, (reason) => APART.has(reason))}

## Refused on any shard

Most of these work where the shard is chosen by hand.

| refused | what to do |
|---|---|
${rows(REFUSED)}
`;
}
