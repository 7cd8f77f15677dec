# One image with every program of Umbel; docker-compose.yml says which one a container runs.
#
#   docker build -t umbel .

FROM debian:bookworm-slim AS packages
SHELL ["/bin/bash", "-eu", "-c"]
COPY tools/packages.sh /tmp/
RUN source /tmp/packages.sh; \
    apt-get update -q; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${BUILD_PACKAGES[@]}" nodejs npm

FROM packages AS build
WORKDIR /src
COPY . .
RUN cmake --preset release -Wno-dev; \
    cmake --build --preset release; \
    for program in build/release/bin/*; do install -s "$program" -D -t /out/bin; done

FROM debian:bookworm-slim AS runtime
SHELL ["/bin/bash", "-eu", "-c"]
COPY tools/packages.sh /tmp/
RUN source /tmp/packages.sh; \
    apt-get update -q; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${IMAGE_PACKAGES[@]}"; \
    rm -rf /var/lib/apt/lists/* /tmp/packages.sh; \
    useradd --system --uid 10001 --home-dir /var/lib/umbel --create-home --shell /usr/sbin/nologin umbel
COPY scheduler/schedule.yaml /usr/local/share/umbel/scheduler/
COPY prometheus/prometheus.yml /usr/local/share/umbel/prometheus/
COPY prometheus/rules /usr/local/share/umbel/prometheus/rules
COPY dashboards /usr/local/share/umbel/dashboards
COPY --from=build /out/bin /usr/local/bin
USER umbel
WORKDIR /var/lib/umbel
# Every program of a stack shares this folder: databases, history, and the sockets over which they wake each other.
VOLUME /var/lib/umbel
ENV UMBEL_BROKER=sqlite:/var/lib/umbel/umbel-broker.db \
    UMBEL_STORE=sqlite:/var/lib/umbel/umbel.db \
    UMBEL_SCHEDULE=/usr/local/share/umbel/scheduler/schedule.yaml
CMD ["umbel-collector", "--help"]
