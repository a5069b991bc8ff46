# The project with all that it needs, for CPUs or for NVIDIA GPUs. docs/install.md has more on both.
#   DOCKER_BUILDKIT=1 docker build -t mmfmkt .
#   DOCKER_BUILDKIT=1 docker build -t mmfmkt:cuda --build-arg BUILD_IMAGE=nvidia/cuda:13.0.2-devel-ubuntu24.04 \
#       --build-arg RUNTIME_IMAGE=ubuntu:24.04 --build-arg CUDA=1 --build-arg TORCH_CUDA_ARCH_LIST="8.0;9.0" .

# where MMCV is compiled, and where the container runs; both must have the same Python
ARG BUILD_IMAGE=debian:bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS make
# 1 to install for GPUs, of these compute capabilities
ARG CUDA=
ARG TORCH_CUDA_ARCH_LIST=
ENV DEBIAN_FRONTEND=noninteractive
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates git g++ python3-dev python3-venv libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /opt/mmfmkt
WORKDIR /opt/mmfmkt
# the compiled operators are kept for the next build
RUN --mount=type=cache,target=/var/cache/setup \
    XDG_CACHE_HOME=/var/cache/setup MMFMKT_CUDA=${CUDA} bash tools/setup_env.sh

FROM ${RUNTIME_IMAGE}
ENV DEBIAN_FRONTEND=noninteractive
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates git g++ python3-dev python3-venv libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=make /opt/mmfmkt /opt/mmfmkt
WORKDIR /opt/mmfmkt
ENV PATH=/opt/mmfmkt/.venv/bin:$PATH
CMD ["bash"]
