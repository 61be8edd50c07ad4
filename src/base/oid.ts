// Oid: the numbers of what users make.

/** From here on they may differ from shard to shard. Source: FirstNormalObjectId (transam.h). */
export const FIRST_USER_OID = 16_384;
