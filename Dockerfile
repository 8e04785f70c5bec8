# escrowd in an image that holds its static binary, the certificates of public authorities
# for webhooks, and nothing else: no shell, no package manager, no other user than 65532.
#
#   docker build -t escrowd .
#   docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 -v escrowd:/data \
#     -e ESCROWD_SANDBOX_EXPOSE=true escrowd

FROM docker.io/library/rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /source
# The flag stops a change of the default, which is to link musl statically. With --target it does
# not reach the procedural macros, which the compiler loads as shared libraries.
ENV RUSTFLAGS="-C target-feature=+crt-static" CARGO_PROFILE_RELEASE_STRIP=symbols
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    target=$(rustc --print host-tuple) \
    && cargo build --locked --release --bin escrowd --target "$target" \
    && install -m 755 "target/$target/release/escrowd" /escrowd \
    && install -d -m 700 /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /escrowd /escrowd
# A named volume takes the owner of this folder. A folder of the host must belong to 65532.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
# Inside a container every address is the container's own. Live mode accepts it; a sandbox,
# which accepts every key, does when ESCROWD_SANDBOX_EXPOSE is true. The health check and the
# other commands in the container ask ESCROWD_URL, which must have the port of ESCROWD_LISTEN.
ENV ESCROWD_LISTEN=0.0.0.0:8080 ESCROWD_DATABASE=/data/escrowd.db
ENV ESCROWD_URL=http://127.0.0.1:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["/escrowd", "health"]
ENTRYPOINT ["/escrowd"]
CMD ["serve"]
