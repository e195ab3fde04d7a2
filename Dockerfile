# The gateway's image is the last stage, which is what is built by default: the
# simulator accepts any ticket that it made itself and has no business in it. It
# has one of its own (--target simulator).
FROM golang:1.26.0-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/gateway ./cmd/simulator \
    && mkdir -m 0700 /out/data

FROM gcr.io/distroless/static-debian12:nonroot AS simulator
COPY --from=build /out/simulator /
EXPOSE 8082
ENTRYPOINT ["/simulator"]

# /data belongs to the user that the gateway runs as.
FROM gcr.io/distroless/static-debian12:nonroot AS gateway
COPY --from=build /out/gateway /
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
EXPOSE 8080 8081
ENTRYPOINT ["/gateway"]
CMD ["serve", "--config", "/etc/captchagate/gateway.yaml"]
