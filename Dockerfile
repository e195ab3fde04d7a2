# The gateway's image is the last stage, which is what is built by default: the
# simulator accepts any ticket that it made itself and has no business in it. It
# has one of its own (--target simulator), with the load test beside it.
#
# Both run as user 65532 and need no write access to their root: start them with
# --read-only --cap-drop ALL --security-opt no-new-privileges, as docker-compose.yml does.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/... \
    && mkdir -m 0700 /out/data

FROM gcr.io/distroless/static-debian12:nonroot AS simulator
COPY --from=build /out/simulator /out/loadtest /
COPY --from=build /src/configs/scenarios /scenarios
EXPOSE 8082
ENTRYPOINT ["/simulator"]

# /data belongs to the user that the gateway runs as.
FROM gcr.io/distroless/static-debian12:nonroot AS gateway
COPY --from=build /out/gateway /
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
EXPOSE 8080 8081
# No shell and no curl are there, and the check needs no token.
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s \
    CMD ["/gateway", "ready", "--config", "/etc/captchagate/gateway.yaml"]
ENTRYPOINT ["/gateway"]
CMD ["serve", "--config", "/etc/captchagate/gateway.yaml"]
