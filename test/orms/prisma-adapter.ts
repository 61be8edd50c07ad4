// What Prisma's schema engine speaks to PostgreSQL by where it is WebAssembly.

import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';

/**
 * The adapter does not know the type "char" of the catalogs, which the engine's own drivers do: it is told
 * of it here. The caller ends `pool`.
 */
export function engineAdapter(config: pg.PoolConfig): { factory: PrismaPg; pool: pg.Pool } {
  const pool = new pg.Pool(config);
  const query = pool.query.bind(pool) as (question: object) => Promise<pg.QueryResult>;
  // Of the last result: the engine asks one question after the other.
  let chars: readonly boolean[] = [];
  const { CHAR, TEXT } = pg.types.builtins;
  const queryKnown = async (question: object) => {
    const result = await query(question);
    chars = result.fields.map(({ dataTypeID }) => dataTypeID === CHAR);
    for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
    return result;
  };
  const factory = new PrismaPg(Object.assign(pool, { query: queryKnown }));
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (question) => {
      const result = await queryRaw(question);
      const columnTypes = result.columnTypes.map((type, i) =>
        chars[i] ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  };
  return { factory, pool };
}
