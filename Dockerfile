# syntax=docker/dockerfile:1
# An image with one static binary and nothing else.
FROM rust:1.95-slim-trixie AS build
# Debian's libaom is newer than the one that the crate builds, and makes smaller files.
RUN apt-get update && apt-get install -y --no-install-recommends libaom-dev make nasm && rm -rf /var/lib/apt/lists/* \
    && mkdir /batches /aom && ln -s /usr/lib/*-linux-gnu/libaom.a /usr/lib/*-linux-gnu/pkgconfig/aom.pc /aom
ENV LIB_AOM_STATIC_LIB_PATH=/aom LIB_AOM_INCLUDE_PATH=/usr/include LIB_AOM_PKG_CONFIG_PATH=/aom
WORKDIR /build
ENV RUSTFLAGS="-C target-feature=+crt-static"
# Dependencies are built first, so that a change of the sources does not rebuild them. Cargo wants a file for each target
# that the manifest names.
COPY Cargo.toml Cargo.lock ./
COPY testkit/Cargo.toml testkit/
COPY tools/Cargo.toml tools/
RUN mkdir -p src benches tests testkit/src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs testkit/src/lib.rs \
    && for bench in $(sed -n '/^\[\[bench/{n;s/name = "\(.*\)"/\1/p}' Cargo.toml); do touch benches/$bench.rs; done \
    && for test in $(sed -n '/^\[\[test/{n;s/name = "\(.*\)"/\1/p}' Cargo.toml); do touch tests/$test.rs; done \
    && cargo build --release --locked --target "$(rustc --print host-tuple)" --bin bytefit
COPY config config
COPY src src
# With an explicit target, RUSTFLAGS do not apply to build scripts and procedural macros.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --target "$(rustc --print host-tuple)" --bin bytefit \
    && cp target/*-linux-gnu/release/bytefit /bytefit && strip /bytefit

FROM scratch
COPY --from=build /bytefit /bytefit
# For a volume with batches, which takes its owner from here.
COPY --from=build --chown=65532:65532 /batches /batches
USER 65532:65532
# It overrides server.listen of a mounted file.
ENV PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=2s CMD ["/bytefit", "health"]
ENTRYPOINT ["/bytefit"]
CMD ["serve"]
