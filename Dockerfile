# syntax=docker/dockerfile:1
# One static binary on nothing: the image is the binary's size.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make nasm && rm -rf /var/lib/apt/lists/*
WORKDIR /build
ENV RUSTFLAGS="-C target-feature=+crt-static"
# RUSTFLAGS with a target named apart leave build scripts and procedural macros alone.
ARG TARGET=x86_64-unknown-linux-gnu
# The dependencies first, so that a change of ours does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/siege && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && for bench in codec fit service siege/main; do echo 'fn main() {}' > benches/$bench.rs; done \
    && cargo build --release --locked --target "$TARGET" --bin bytefit
COPY config config
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --target "$TARGET" --bin bytefit \
    && strip "target/$TARGET/release/bytefit" && cp "target/$TARGET/release/bytefit" /bytefit

FROM scratch
COPY --from=build /bytefit /bytefit
USER 65532:65532
ENV PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=2s CMD ["/bytefit", "health"]
ENTRYPOINT ["/bytefit"]
CMD ["serve"]
