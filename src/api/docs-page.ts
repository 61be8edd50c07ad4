// The API's one door to @fastify/swagger-ui: the interactive page at /docs, served from this machine.

import fastifySwaggerUi, { type FastifySwaggerUiOptions } from '@fastify/swagger-ui';

export { fastifySwaggerUi };

/** Where the page lives and what it opens with. */
export const DOCS_PAGE: FastifySwaggerUiOptions = {
  routePrefix: '/docs',
  uiConfig: { docExpansion: 'list', displayRequestDuration: true, tryItOutEnabled: true },
  theme: {
    title: 'Drive Clone API',
    // The bar with another project's logo, and a field for the addresses of other documents.
    css: [{ filename: 'drive.css', content: '.swagger-ui .topbar { display: none }' }],
  },
};
