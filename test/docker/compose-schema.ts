// The part of the Compose file format that docker-compose.yml uses: any other key is a typing mistake.

import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };
const Words = Type.Array(Type.String(), { minItems: 1 });
const Duration = Type.String({ pattern: '^[1-9][0-9]*(ms|s|m)$' });
/** Values in quotes: YAML reads 6432 as a number and yes as true. */
const Environment = Type.Record(Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }), Type.String());

const Health = Type.Object(
  {
    test: Words,
    interval: Duration,
    timeout: Duration,
    retries: Type.Integer({ minimum: 1 }),
    start_period: Duration,
  },
  closed,
);

const Service = Type.Object(
  {
    image: Type.Optional(Type.String()),
    build: Type.Optional(Type.Object({ context: Type.String(), target: Type.String() }, closed)),
    restart: Type.Literal('unless-stopped'),
    command: Type.Optional(Words),
    entrypoint: Type.Optional(Words),
    stop_grace_period: Type.Optional(Duration),
    environment: Environment,
    ports: Type.Array(Type.String({ pattern: '^[0-9]+:[0-9]+$' })),
    volumes: Type.Optional(Type.Array(Type.String({ pattern: '^[a-z0-9_]+:/[a-z/]+$' }))),
    healthcheck: Type.Optional(Health),
    depends_on: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object({ condition: Type.Literal('service_healthy') }, closed),
      ),
    ),
    networks: Words,
  },
  closed,
);

/** docker-compose.yml after anchors and merge keys are resolved; extension keys begin with x-. */
export const ComposeFile = Type.Object(
  {
    services: Type.Record(Type.String(), Service),
    volumes: Type.Record(Type.String(), Type.Null()),
    networks: Type.Record(
      Type.String(),
      Type.Object({ external: Type.Optional(Type.Boolean()) }, closed),
    ),
  },
  closed,
);
export type ComposeFile = Static<typeof ComposeFile>;
