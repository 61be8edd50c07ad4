// CopyLines: the client's line for a line of one shard's part, for rows of the recent past.

import { describe, expect, test } from 'vitest';
import { COPY_LINES_KEPT_BYTES } from '../../src/base/limits.ts';
import { CopyLines } from '../../src/execute/copy-lines.ts';

describe('CopyLines', () => {
  test('gives the line at which the row ends for the client', () => {
    const lines = new CopyLines();
    lines.add(1, 3, 10);
    lines.add(1, 500, 10);
    lines.add(1, 2_000_000, 10);
    expect([1, 2, 3].map((line) => lines.clientLine(line))).toEqual([3, 500, 2_000_000]);
    expect(lines.clientLine(4)).toBeNull();
  });

  test('counts back from the end of a row of several lines', () => {
    const lines = new CopyLines();
    lines.add(1, 10, 10);
    lines.add(3, 20, 10);
    expect([2, 3, 4].map((line) => lines.clientLine(line))).toEqual([18, 19, 20]);
  });

  test('forgets rows that no server can still be busy with, and keeps the others', () => {
    const lines = new CopyLines();
    const rowBytes = 1_024;
    const rows = 3 * (COPY_LINES_KEPT_BYTES / rowBytes);
    for (let i = 1; i <= rows; i++) lines.add(1, 2 * i, rowBytes);
    expect(lines.clientLine(1)).toBeNull();
    const kept = COPY_LINES_KEPT_BYTES / rowBytes;
    for (const line of [rows - kept + 1, rows - 1, rows]) {
      expect(lines.clientLine(line)).toBe(2 * line);
    }
  });
});
