# What Umbel needs from Debian 12, and how ./run and ./test install what is missing. Sourced, not run.

BUILD_PACKAGES=(
  g++ cmake ninja-build ca-certificates tzdata
  libboost1.81-dev libboost-json1.81-dev libssl-dev zlib1g-dev
  prometheus-cpp-dev libcivetweb-dev libcurl4-openssl-dev
  libspdlog-dev libfmt-dev libcli11-dev libyaml-cpp-dev libhowardhinnant-date-dev
  libsqlite3-dev libsqlitecpp-dev librabbitmq-dev libhiredis-dev
)
RUN_PACKAGES=(prometheus)
TEST_PACKAGES=(
  libgtest-dev libgmock-dev clang-format chromium curl procps git faketime
  rabbitmq-server redis-server python3-celery python3-redis openssl  # servers and peers that the tests start themselves
)
BARE_PACKAGES=(debootstrap)
COMPOSE_PACKAGES=(docker.io docker-compose iptables iproute2 debootstrap curl)  # for tests/compose alone
# What the programs load, and curl for the health checks: the runtime stage of the Dockerfile.
IMAGE_PACKAGES=(
  ca-certificates tzdata curl
  libboost-json1.81.0 libcivetweb1 libcurl4 libdate-tz3 libfmt9 libprometheus-cpp-core1.0
  libhiredis0.14 librabbitmq4 libspdlog1.10 libsqlite3-0 libssl3 libstdc++6 libyaml-cpp0.7 zlib1g
)
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)  # for tools/fuzz alone

# Prints those of its arguments that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Node.js may come from elsewhere, and then Debian's npm would clash with it: look for the commands, not the packages.
missing_node() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
}

# What a package, or one that comes with it, would start at every boot.
declare -A PACKAGE_UNITS=(
  [prometheus]=prometheus.service
  [rabbitmq-server]=rabbitmq-server.service
  [redis-server]=redis-server.service
  [erlang-base]='epmd.service epmd.socket'
)

# install_missing yes|no PACKAGE…: lists what is missing and installs it, or with `no` says what to do and fails. Nothing that is installed
# starts a service now, and the servers that come from us are not started at the next boot either: Umbel and its tests run their own.
install_missing() {
  local allowed=$1
  shift
  local missing=($(missing_packages "$@") $(missing_node))
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "Missing Debian packages: ${missing[*]}"
  if [ "$allowed" = no ]; then
    echo "Not installing them (--no-install). As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Neither root nor sudo. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    sudo=(sudo)
  fi
  local policy=/usr/sbin/policy-rc.d made_policy=no status=0 package servers
  servers=$(missing_packages "${!PACKAGE_UNITS[@]}")
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    made_policy=yes
  fi
  "${sudo[@]}" apt-get update -q &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    status=$?
  [ "$made_policy" = no ] || "${sudo[@]}" rm -f "$policy"
  if [ "$status" -eq 0 ] && [ -d /run/systemd/system ]; then
    for package in $servers; do
      [ -z "$(missing_packages "$package")" ] || continue  # it did not come after all
      "${sudo[@]}" systemctl disable --quiet ${PACKAGE_UNITS[$package]} || true
    done
  fi
  return "$status"
}
