// The project's one door to pg-copy-streams: COPY FROM STDIN as a writable stream of pg.

export { from as copyFrom } from 'pg-copy-streams';
