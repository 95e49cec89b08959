# The torchferry server and CLI: the package that deploy/package.sh makes, with LibTorch. server/docs/operations/image.md says more.
#   docker build -t torchferry .                          CPU
#   docker build -t torchferry:cuda --target cuda .       GPU (run it with --gpus all)
#   docker run --read-only -p 8001:8001 -p 8002:8002 -v "$PWD/model_store:/models:ro" torchferry
ARG DEBIAN=debian:bookworm-slim
ARG LIBTORCH=2.11.0

# Dependencies are a stage of their own: a change of the sources does not fetch them again.
FROM ${DEBIAN} AS dependencies
ARG LIBTORCH
WORKDIR /src
COPY deploy/install-deps.sh deploy/lib.sh deploy/
COPY deploy/locks deploy/locks
RUN deploy/install-deps.sh --package --libtorch "${LIBTORCH}"

FROM dependencies AS builder
ARG LIBTORCH
COPY . .
RUN deploy/build.sh --libtorch "${LIBTORCH}" --dir build --target torchferry-server --target torchferry \
      -DTORCHFERRY_BUILD_TESTS=OFF -DTORCHFERRY_UNITY=ON \
    && deploy/package.sh --stage /stage --build-dir build

# What the image gets of a build. A folder can stand for it: --build-context package=DIR.
FROM scratch AS package
COPY --from=builder /stage /

FROM dependencies AS libtorch-cuda
ARG LIBTORCH
RUN deploy/install-deps.sh --package --cuda --libtorch "${LIBTORCH}"
COPY deploy/slim-libtorch.sh deploy/
RUN deploy/slim-libtorch.sh --cuda "/opt/torchferry/libtorch-${LIBTORCH}" /slim

FROM dependencies AS libtorch-cpu
ARG LIBTORCH
COPY deploy/slim-libtorch.sh deploy/
RUN deploy/slim-libtorch.sh "/opt/torchferry/libtorch-${LIBTORCH}" /slim

FROM ${DEBIAN} AS runtime
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin torchferry \
    && install -d -o 10001 -g 10001 /models /var/lib/torchferry
COPY --from=package / /opt/torchferry/
ENV PATH=/opt/torchferry/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TORCHFERRY_MODEL_STORE=/models \
    TORCHFERRY_STATE_DIR=/var/lib/torchferry \
    TORCHFERRY_GRPC_ADDRESS=0.0.0.0:8001 \
    TORCHFERRY_METRICS_ADDRESS=0.0.0.0:8002 \
    TORCHFERRY_ADDRESS=127.0.0.1:8001
USER 10001:10001
EXPOSE 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["torchferry", "health"]
ENTRYPOINT ["torchferry-server"]
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="torchferry" \
      org.opencontainers.image.description="A gRPC inference server for PyTorch models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

FROM runtime AS cuda
# For the container runtime of NVIDIA, which adds the driver's libraries.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=libtorch-cuda /slim /opt/torchferry/

FROM runtime AS cpu
COPY --from=libtorch-cpu /slim /opt/torchferry/
