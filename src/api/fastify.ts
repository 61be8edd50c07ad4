// The API's one door to fastify.

export type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
export { fastify as createFastify, LogController } from 'fastify';
