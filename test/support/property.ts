// Properties of values made at random, the same values in every run.
//
// So a run that failed can be asked again, and no change is blamed for what chance found.
// PROPERTY_SEED makes other ones.

import fc from 'fast-check';
import { seedFromEnvironment } from './random.ts';

fc.configureGlobal({ seed: seedFromEnvironment('PROPERTY_SEED') });

export default fc;
