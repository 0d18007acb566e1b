# The image of alspan: one static binary, and the certificate authorities that it trusts.
#
#   docker build --build-arg VERSION=v0.1.0 -t registry.example.com/alspan:v0.1.0 .
#
# The binary is the same, byte for byte, wherever and whenever it is built from the same files by the same Go. GO can hold a
# digest, to have the same Go: --build-arg GO=docker.io/library/golang:1.26@sha256:...
ARG GO=docker.io/library/golang:1.26

FROM ${GO} AS build
# Where modules come from, for those who have a mirror; Go's own default without it.
ARG GOPROXY
WORKDIR /src
# First the modules, which stay the same while the code changes.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `alspan --version` says.
ARG VERSION=devel
# Without the state of the checkout, which is not copied; -trimpath takes the folders out.
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X github.com/alspan/alspan/agent.release=${VERSION}" -o /out/alspan .
# The files have a fixed time, so that the layer is the same, too.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /out/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && cd /out && \
    chmod 0755 . etc etc/ssl etc/ssl/certs && touch -d "@${SOURCE_DATE_EPOCH}" etc/ssl/certs/* alspan etc/ssl/certs etc/ssl etc .

FROM scratch
ARG VERSION=devel
ARG REVISION=
LABEL org.opencontainers.image.title="alspan" \
      org.opencontainers.image.description="Turns Envoy's access logs and Envoy's own spans into one true OpenTelemetry span for each request." \
      org.opencontainers.image.url="https://github.com/alspan/alspan" \
      org.opencontainers.image.source="https://github.com/alspan/alspan" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Access logs and OTLP over gRPC, OTLP over HTTP, Zipkin, metrics and health.
EXPOSE 4317 4318 9411 9464
ENTRYPOINT ["/alspan"]
CMD ["run"]
