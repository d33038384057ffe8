# Bundles with the development packages. The Node of the lock file is for checkouts: in the image,
# the base image is what provides it. Nothing here names a processor: Linux on x64 and on arm64 both
# build, and `docker buildx build --platform linux/amd64,linux/arm64` makes one image of the two.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY ops/dev/bundle.mjs ./ops/dev/
COPY src ./src
ARG COMMIT=unknown
# All of the libraries but the native SQLite binding are inside the bundle.
RUN node ops/dev/bundle.mjs dist \
 && rm dist/*.map \
 && printf '{"commit":"%s"}' "$COMMIT" > dist/build.json \
 && mkdir -p native/better-sqlite3/prebuilds \
 && cd node_modules/better-sqlite3 \
 && cp -r package.json LICENSE lib /build/native/better-sqlite3/ \
 && cp prebuilds/linux-"$(node -p process.arch)".node /build/native/better-sqlite3/prebuilds/

# Node's one binary on plain Debian: no package manager for JavaScript where none is needed.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends curl libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && groupadd --system --gid 999 dmp \
 && useradd --system --uid 999 --gid dmp --home-dir /var/lib/dmp --no-create-home --shell /usr/sbin/nologin dmp \
 && install -d -o dmp -g dmp -m 0700 /var/lib/dmp
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/dnsmesh-node
COPY --from=build /build/package.json ./
COPY --from=build /build/native ./node_modules
COPY ops/bin ./ops/bin
COPY --from=build /build/dist ./dist
RUN ln -s /opt/dnsmesh-node/ops/bin/dnsmesh-node /opt/dnsmesh-node/ops/bin/dnsmesh-node-admin /usr/local/bin/

# One start as the user of all others leaves what V8 has compiled, which then is root's to change.
RUN install -d -o dmp -g dmp dist/compiled /tmp/start \
 && DMP_DB_PATH=/tmp/start/dmp.db DMP_DNS_HOST=127.0.0.1 DMP_DNS_PORT=0 DMP_HTTP_HOST=127.0.0.1 DMP_HTTP_PORT=0 \
    setpriv --reuid 999 --regid 999 --clear-groups sh -c '\
      node --max-semi-space-size=4 --no-parallel-scavenge --no-allocation-site-pretenuring dist/main.js serve > /tmp/start/log 2>&1 & \
      until grep -q "DMP node up" /tmp/start/log; do \
        kill -0 $! || { cat /tmp/start/log; exit 1; }; sleep 0.1; \
      done; \
      kill $!; wait $!' \
 && rm -r /tmp/start \
 && chown -R root:root dist/compiled \
 && chmod -R go+rX,go-w dist/compiled

# Hosts are left unset: the node then listens on every address, IPv6 included where there is any.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    HOME=/var/lib/dmp \
    DMP_DB_PATH=/var/lib/dmp/dmp.db \
    DMP_DNS_PORT=5353 \
    DMP_HTTP_PORT=8053

ARG COMMIT=unknown
LABEL org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.title="dnsmesh-node" \
      org.opencontainers.image.description="A node of the DNS Mesh Protocol: takes signed records over HTTP, serves them over DNS" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

# numeric, so that an orchestrator can see that it is not root; the owner of existing volumes
USER 999:999
VOLUME /var/lib/dmp
EXPOSE 5353/udp 5353/tcp 8053/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
  CMD curl -fsS -o /dev/null "http://127.0.0.1:${DMP_HTTP_PORT:-8053}/health" || exit 1
ENTRYPOINT ["node", "--max-semi-space-size=4", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", "/opt/dnsmesh-node/dist/main.js"]
CMD ["serve"]
