// Compile cache: code that Node has compiled is kept for the next start, which takes about half as long then.

import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';

/** With the packages, and not in a folder for temporary files, where others could put code. */
const DIRECTORY = join(import.meta.dirname, '../../node_modules/.cache/drive-clone');

/** Of all that is loaded behind it. Where nothing can be written, each start compiles everything. */
export const keepCompiled = (): void => void enableCompileCache(DIRECTORY);

/** At once, for a process that may be killed; else it is done at the end. */
export const saveCompiled = (): void => flushCompileCache();
