// The API's one door to TypeBox: schemas that are types, OpenAPI and validation at once.

export type { Static, TObject, TSchema, TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
export { Type } from '@fastify/type-provider-typebox';
