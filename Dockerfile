# syntax=docker/dockerfile:1
# Two stages: the same `make build` as everywhere, then only the program and the libraries that it links.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# What `verdict --version` says: there is no git in here. `--build-arg VERDICT_COMMIT=$(git rev-parse --short=12 HEAD)`.
ARG VERDICT_COMMIT
# The caches keep RocksDB and the dependencies compiled between builds.
RUN --mount=type=cache,target=/cache \
    --mount=type=cache,target=/usr/local/cargo/registry \
    VERDICT_CACHE=/cache make build

FROM debian:bookworm-slim
# curl is for the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 libstdc++6 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/verdict --create-home verdict
COPY --from=build /src/bin/verdict /usr/local/bin/verdict
USER verdict
VOLUME /var/lib/verdict
EXPOSE 8642
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["curl", "-fsS", "http://127.0.0.1:8642/readyz"]
ENTRYPOINT ["verdict"]
# Give it --tokens, and --tls-cert with --tls-key too: without a token file it refuses to listen on anything but loopback, and
# with one it wants TLS there, or --plaintext-tokens.
CMD ["serve", "--data", "/var/lib/verdict", "--listen", "0.0.0.0:8642"]
