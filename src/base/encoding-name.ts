// Names of encodings.

/** As PostgreSQL compares them: `Shift_JIS` and `SHIFTJIS` are one. Source: clean_encoding_name. */
export const encodingName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');
