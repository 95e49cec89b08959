# The torchferry server and CLI on Debian 12.
#   docker build -t torchferry .                          CPU
#   docker build -t torchferry --build-arg CUDA=1 .       GPU (run it with --gpus all)
#   docker run -p 8001:8001 -p 8002:8002 -v "$PWD/model_store:/models:ro" torchferry
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN} AS builder
ARG LIBTORCH=2.11.0
ARG CUDA=
WORKDIR /src
# Dependencies in a layer of their own: a change of the sources does not fetch them again.
COPY deploy/install-deps.sh deploy/lib.sh deploy/
COPY deploy/locks deploy/locks
RUN deploy/install-deps.sh --libtorch "${LIBTORCH}" ${CUDA:+--cuda}
COPY . .
RUN deploy/build.sh --libtorch "${LIBTORCH}" --dir build -DTORCHFERRY_BUILD_TESTS=OFF \
      -DCMAKE_INSTALL_PREFIX=/usr/local -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON \
    && cmake --install build --strip \
    # The runtime image needs LibTorch's libraries, not what is compiled against.
    && rm -rf /opt/torchferry/libtorch-*/torch/include /opt/torchferry/libtorch-*/torch/share \
         /opt/torchferry/libtorch-*/torch/lib/libtorch_python.so \
         /opt/torchferry/libtorch-*/nvidia/cu13/include /opt/torchferry/libtorch-*/nvidia/cu13/lib/*.a

FROM ${DEBIAN} AS runtime
ARG LIBTORCH=2.11.0
COPY deploy/install-deps.sh deploy/lib.sh /tmp/deploy/
COPY --from=builder /opt/torchferry/libtorch-${LIBTORCH} /opt/torchferry/libtorch-${LIBTORCH}
RUN TORCHFERRY_LIBTORCH="/opt/torchferry/libtorch-${LIBTORCH}" /tmp/deploy/install-deps.sh --runtime \
    && rm -rf /tmp/deploy /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin torchferry \
    && install -d -o 10001 -g 10001 /models /var/lib/torchferry
COPY --from=builder /usr/local/bin/torchferry-server /usr/local/bin/torchferry /usr/local/bin/
COPY --from=builder /usr/local/libexec/torchferry /usr/local/libexec/torchferry

ENV TORCHFERRY_MODEL_STORE=/models \
    TORCHFERRY_STATE_DIR=/var/lib/torchferry \
    TORCHFERRY_GRPC_ADDRESS=0.0.0.0:8001 \
    TORCHFERRY_METRICS_ADDRESS=0.0.0.0:8002 \
    TORCHFERRY_ADDRESS=127.0.0.1:8001
USER 10001:10001
EXPOSE 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["torchferry", "health"]
ENTRYPOINT ["torchferry-server"]
