# One image with both commands; the gateway is what starts. /data belongs to
# the user that it runs as.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/gateway ./cmd/simulator \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/gateway /out/simulator /
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
EXPOSE 8080 8081
ENTRYPOINT ["/gateway"]
CMD ["serve", "--config", "/etc/captchagate/gateway.yaml"]
