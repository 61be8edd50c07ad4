// Copy lines: what `COPY … TO STDOUT` sends, by the driver of the tests.

import type pg from 'pg';

/** The lines of its text format. Throws the server's error. */
export async function copyLines(client: pg.Client, sql: string): Promise<string[]> {
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    // The driver tells its queries of each message, by these names.
    const copy = {
      submit: (connection: { query(text: string): void }) => connection.query(sql),
      // It is a part of the driver's buffer, which the next data are written to.
      handleCopyData: ({ chunk }: { readonly chunk: Buffer }) =>
        void chunks.push(Buffer.from(chunk)),
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    };
    client.query(copy as unknown as pg.Submittable);
  });
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}
