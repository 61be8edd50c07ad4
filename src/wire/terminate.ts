// Terminate: the client's goodbye.

import { MessageWriter } from './bytes.ts';
import { FRONTEND } from './message-type.ts';

export const TERMINATE = new MessageWriter(FRONTEND.terminate).finish();
