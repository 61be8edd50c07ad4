// Row level security: policies, who looks, and what many look at by the same connections.

import type { Step, Titled } from './role-statements.ts';

const POLICIES: readonly Step[] = [
  'ALTER TABLE files ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE members ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE country ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE notes ENABLE ROW LEVEL SECURITY',
  'GRANT ALL ON files, members, country TO rp_reader, rp_writer',
  'GRANT ALL ON notes TO rp_reader, rp_writer',
  'CREATE POLICY own ON files USING (owner = current_user)',
  `CREATE POLICY tenant ON members TO rp_reader USING (user_id::text = current_setting('app.tenant', true))`,
  `CREATE POLICY open_to_writers ON members FOR SELECT TO rp_writer USING (true)`,
  `CREATE POLICY europe ON country FOR SELECT USING (code <> 'fr')`,
  `CREATE POLICY any_code ON country FOR INSERT WITH CHECK (code LIKE '__')`,
  'CREATE POLICY named ON notes USING (body = current_user)',
];

export const SETTINGS: readonly (readonly Step[])[] = [
  ['SET ROLE rp_reader'],
  [`SET app.tenant = '1'`, 'SET ROLE rp_reader'],
  [`SELECT set_config('app.tenant', '2', false)`, 'SET ROLE rp_writer'],
  ['SET SESSION AUTHORIZATION rp_reader', `SET app.tenant = 3`],
  ['SET ROLE rp_reader', 'SET row_security = off'],
  ['SET row_security = off'],
  ['SET ROLE rp_owner'],
];

/** Those of them who are asked again when a policy has changed, and whose writes are compared. */
export const WRITERS: readonly (readonly Step[])[] = SETTINGS.slice(1, 3);

/** Row level security: what the policies hide is hidden in every class of execution. */
export const POLICY_CHANGES: readonly Titled[] = [
  ['by the user and by a setting', POLICIES],
  [
    'by a restrictive one, too',
    [
      'CREATE POLICY few ON files AS RESTRICTIVE USING (id < 30)',
      'ALTER POLICY europe ON country USING (true)',
    ],
  ],
  [
    'from the owner, too',
    [
      'DROP POLICY few ON files',
      'ALTER TABLE files OWNER TO rp_owner',
      'ALTER TABLE files FORCE ROW LEVEL SECURITY',
    ],
  ],
  [
    'by rows of another table that are on the same shard',
    [
      `ALTER POLICY own ON files USING (
        owner = session_user OR EXISTS (SELECT FROM members m WHERE m.user_id = files.user_id))`,
    ],
  ],
  [
    'of one table and not of another',
    [
      'ALTER TABLE files NO FORCE ROW LEVEL SECURITY',
      'ALTER TABLE members DISABLE ROW LEVEL SECURITY',
    ],
  ],
];

export const AS_BEFORE: readonly Step[] = [
  'RESET ROLE',
  'RESET SESSION AUTHORIZATION',
  'RESET row_security',
  'RESET app.tenant',
];

/** Short reads that clients share connections for. */
export const SHARED: readonly Step[] = [
  'SELECT id FROM files WHERE user_id = 3',
  ['SELECT id FROM files WHERE user_id = $1', 4],
  'SELECT count(*) FROM files',
  'SELECT current_user, max(id) FROM files GROUP BY 1',
  'SELECT id, rank() OVER (ORDER BY id) FROM files',
];
