# Pingu in a container: one program, no shell, an ordinary user. Everything it writes is in /data.
#
#   docker build -t pingu .
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD:/etc/pingu:ro" -v pingu:/data pingu
#
# docker-compose.yml runs it as two processes on Postgres.

# the dashboard, from its sources, the API's description and the words that the small page has too
FROM node:22-bookworm-slim AS web
WORKDIR /src/crates/pingu-web/web
COPY crates/pingu-web/web/package.json crates/pingu-web/web/package-lock.json crates/pingu-web/web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY docs/openapi.json /src/docs/
COPY crates/pingu-web/fallback/assets/words.js ../fallback/assets/
COPY crates/pingu-web/web ./
RUN npm run build

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# rust-toolchain.toml names the same version; this keeps rustup from fetching its rustfmt and clippy
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
COPY --from=web /src/crates/pingu-web/web/dist crates/pingu-web/web/dist
# the commit, for /version: docker build --build-arg PINGU_REVISION="$(git rev-parse HEAD)" .
ARG PINGU_REVISION
# registry and target stay between builds, so that only what changed is compiled
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --package pingu \
    && install -D target/dist/pingu /image/pingu \
    && mkdir /image/data

# glibc, libgcc, root certificates and time zones, and the user nonroot (65532)
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/pingu /usr/local/bin/pingu
COPY --from=build --chown=65532:65532 /image/data /data
# the folder is mounted, not the file: editors replace a file, and a mount of it would keep the old one
ENV TARGETS_PATH=/etc/pingu/targets.yaml \
    MALLOC_ARENA_MAX=1 \
    LISTEN=0.0.0.0:8000
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/pingu", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/pingu"]
CMD ["run"]
