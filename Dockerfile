FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build
# A second install, not a prune: what runs is exactly what the lock file says without development tools.
RUN npm ci --omit=dev

FROM node:22-bookworm-slim
# Inside a container loopback reaches nobody; which address is published is the composition's decision.
ENV HOST=0.0.0.0 PORT=8000
WORKDIR /app
# Files stay owned by root: the program that serves strangers cannot change itself.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Without a shell in between, SIGTERM reaches the server and starts its drain.
CMD ["node", "dist/src/main.js"]
