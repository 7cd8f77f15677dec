#!/usr/bin/env bash
# docker-compose.yml in a real Docker engine: up from nothing, every health check, the whole line of a submission, every target of
# Prometheus, containers that are killed, data that outlives them, and nothing left behind.
#
# The engine is started by hand, with a socket and folders of its own, and ended with the test; a Docker that runs here is not touched.
# Images are not pulled but made: the base image from debootstrap, Prometheus from Debian's package. Needs root.
#
#   UMBEL_COMPOSE_DIR   where roots, layers and logs are kept, so that a second run is quick (default build/compose)
#   UMBEL_COMPOSE_BIN   a folder with programs to put into the image, instead of building them in it (minutes)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" -eq 0 ] || { echo "compose: needs root for debootstrap and dockerd" >&2; exit 1; }

work=${UMBEL_COMPOSE_DIR:-build/compose}
mkdir -p "$work"
work=$(realpath "$work")
run=$(mktemp -d -t umbel-compose-XXXXXX) # short, as the path of a socket must be
export DOCKER_HOST=unix://$run/docker.sock
unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
docker=/usr/bin/docker
project=umbel-test
began=$SECONDS

say() { echo "compose: $((SECONDS - began)) s: $*"; }
fail() {
  say "FAILED: $*"
  compose ps 2>/dev/null || true
  compose logs --no-color --tail=15 2>/dev/null || true
  exit 1
}
compose() { docker-compose -p $project -f docker-compose.yml -f tests/compose/override.yml "$@"; }
# until_true SECONDS "what" command…: tries twice a second.
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what"
    sleep 0.5
  done
}
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

# ---------------------------------------------------------------- the engine
# Another engine's bridge and rules stay; where there is none, both are afterwards as they were.
had_bridge=no
! ip link show docker0 >/dev/null 2>&1 || had_bridge=yes
iptables-save >"$run/rules"
dockerd --host "$DOCKER_HOST" --data-root "$work/engine" --exec-root "$run/exec" --pidfile "$run/docker.pid" \
  >"$work/dockerd.log" 2>&1 &
engine=$!
finish() {
  local status=$?
  compose down -v --remove-orphans >/dev/null 2>&1 || true
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  if [ "$had_bridge" = no ]; then
    ip link delete docker0 2>/dev/null || true
    iptables-restore <"$run/rules" || true
  fi
  rm -rf "$run"
  exit $status
}
trap finish EXIT
until_true 60 "the engine does not answer; see $work/dockerd.log" "$docker" info
say "the engine runs"
compose down -v --remove-orphans >/dev/null 2>&1 || true

# ---------------------------------------------------------------- images
base=$(sed -n 's/^FROM \([^ ]*:[^ ]*\).*/\1/p' Dockerfile | sort -u)
[ "$(wc -l <<<"$base")" -eq 1 ] || fail "the stages of the Dockerfile are from different images: $base"
if [ ! -f "$work/bookworm.tar" ]; then
  say "making a minimal Debian 12"
  rm -rf "$work/root"
  debootstrap --variant=minbase bookworm "$work/root" >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log"; exit 1; }
  tar -C "$work/root" -cf "$work/bookworm.tar" .
  rm -rf "$work/root"
fi
if [ -z "$("$docker" images -q "$base")" ]; then
  # How this machine reaches its package registries, and whose certificates it trusts, is its own business; the image gets the same.
  extra=$run/extra
  mkdir -p "$extra/usr/local/share/ca-certificates"
  cp -r /usr/local/share/ca-certificates/. "$extra/usr/local/share/ca-certificates/"
  for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/auth.conf /etc/npmrc "$HOME/.npmrc"; do
    [ ! -f "$file" ] || install -D -m 600 "$file" "$extra$file"
  done
  cp "$work/bookworm.tar" "$run/base.tar"
  (cd "$extra" && find . -type f -print0 | tar -rf "$run/base.tar" --null -T -)
  "$docker" import "$run/base.tar" "$base" >/dev/null
  rm -f "$run/base.tar"
fi
prometheus=$(sed -n 's/^ *image: \(prom\/prometheus:.*\)/\1/p' docker-compose.yml)
nice "$docker" build -q -t "$prometheus" - <tests/compose/prometheus.Dockerfile >"$work/prometheus.log" 2>&1 ||
  { tail -n 30 "$work/prometheus.log"; fail "the stand-in for $prometheus"; }
export UMBEL_IMAGE=umbel-test
if [ -n "${UMBEL_COMPOSE_BIN:-}" ]; then
  mkdir -p "$run/binaries/out/bin"
  for program in umbel umbel-collector umbel-worker umbel-scheduler umbel-reddit-simulator; do
    install -s "$UMBEL_COMPOSE_BIN/$program" "$run/binaries/out/bin/"
  done
  tar -C "$run/binaries" -c . | "$docker" import - umbel-test-binaries >/dev/null
  sed -n '/AS runtime$/,$p' Dockerfile | sed 's/--from=build/--from=umbel-test-binaries/' >"$run/Dockerfile"
  nice "$docker" build -t $UMBEL_IMAGE -f "$run/Dockerfile" . >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "the runtime stage"; }
else
  say "building the image"
  nice "$docker" build -t $UMBEL_IMAGE . >"$work/build.log" 2>&1 || { tail -n 60 "$work/build.log"; fail "the Dockerfile"; }
fi
say "the image is built: $("$docker" image inspect -f '{{.Size}}' $UMBEL_IMAGE | awk '{printf "%.0f MB", $1 / 1e6}')"

# ---------------------------------------------------------------- up, from nothing
export UMBEL_PAGE_PORT UMBEL_PROMETHEUS_PORT
UMBEL_PAGE_PORT=$(free_port)
UMBEL_PROMETHEUS_PORT=$(free_port)
page=http://127.0.0.1:$UMBEL_PAGE_PORT
figures=http://127.0.0.1:$UMBEL_PROMETHEUS_PORT
services=(simulator collector worker scheduler prometheus)

container() { compose ps -q "$1" | head -n 1; }
health() { "$docker" inspect -f '{{.State.Health.Status}}' "$(container "$1")"; }
healthy() { [ "$(health "$1")" = healthy ]; }
all_healthy() { for each in "${services[@]}"; do healthy "$each" || return 1; done; }
has_submissions() { curl -fsS "$page/api/overview" | grep '"fullname"' >/dev/null; }
# targets_up N: Prometheus has N targets, and every one of them is up.
targets_up() {
  curl -fsS "$figures/api/v1/targets?state=active" |
    node -e 'let t = ""; process.stdin.on("data", (d) => (t += d)).on("end", () => {
      const found = JSON.parse(t).data.activeTargets;
      process.exit(found.length === Number(process.argv[1]) && found.every((each) => each.health === "up") ? 0 : 1); })' "$1"
}
run_add() {
  curl -fsS -X POST -H 'Content-Type: application/json' -d '{"x": 20, "y": 22}' "$page/task/add" | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'
}
is_done() { curl -fsS "$page/task/status/$1" | grep '"status": *"SUCCESS"' >/dev/null; }

compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "docker-compose up"; }
until_true 120 "not every container is healthy" all_healthy
say "all ${#services[@]} containers are healthy"
until_true 60 "no submission on the collector's API" has_submissions
say "submissions are on the collector's API"
until_true 60 "not every target of Prometheus is up" targets_up 5
say "all targets of Prometheus are up"
task=$(run_add)
[ -n "$task" ] || fail "the API took no task"
until_true 30 "task $task is not done" is_done "$task"
say "a task went round"

# ---------------------------------------------------------------- who may what
for each in simulator collector worker scheduler; do
  [ "$("$docker" exec "$(container $each)" id -u)" = 10001 ] || fail "$each runs as root"
done
compose logs --no-color collector | grep "the API is open without authentication" >/dev/null || fail "the collector does not say that its API is open"
for each in "${services[@]}"; do
  published=$("$docker" port "$(container "$each")" | sed -n 's/.*-> //p')
  [ -z "$(grep -v '^127\.0\.0\.1:' <<<"$published" | grep . || true)" ] || fail "$each is published on $published"
done
[ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: evil.example' "$page/api/overview")" = 403 ] || fail "a foreign Host is let in"
# Where Grafana would look for its figures, asked from within; and that the rules are in force.
source=$(sed -n 's/^ *url: //p' dashboards/provisioning/datasources/prometheus.yml)
"$docker" exec "$(container collector)" curl -fsS "$source/api/v1/query?query=umbel:queue_ready:current" | grep '"queue"' >/dev/null ||
  fail "the boards' data source, $source, does not answer from within"
boards=$(sed -n 's/^ *path: //p' dashboards/provisioning/dashboards/umbel.yml)
compose --profile with-grafana config | grep ":$boards:ro" >/dev/null || fail "the boards are not mounted at $boards"
say "no root, loopback alone, and the boards' data source answers"

# ---------------------------------------------------------------- kill -9
for each in worker collector scheduler; do
  id=$(container $each)
  # As the kernel would: what is stopped through the engine is meant to stay down.
  kill -KILL "$("$docker" inspect -f '{{.State.Pid}}' "$id")"
  restarted() { [ "$("$docker" inspect -f '{{.RestartCount}} {{.State.Health.Status}}' "$id")" = "1 healthy" ]; }
  until_true 60 "the $each did not come back" restarted
done
again=$(run_add)
until_true 30 "task $again is not done after the kills" is_done "$again"
until_true 10 "task $task is forgotten" is_done "$task"
say "worker, collector and scheduler were killed and are back"

compose up -d --scale worker=2 >>"$work/up.log" 2>&1 || fail "docker-compose up --scale worker=2"
until_true 60 "the second worker is not a target that is up" targets_up 6
say "a second worker was found"

# ---------------------------------------------------------------- down, up, and down for good
compose down >>"$work/up.log" 2>&1
compose up -d >>"$work/up.log" 2>&1
until_true 120 "not every container is healthy after the second up" all_healthy
until_true 10 "task $task did not outlive its containers" is_done "$task"
say "data outlived the containers"
compose down -v >>"$work/up.log" 2>&1
left=$("$docker" ps -aq; "$docker" volume ls -q; "$docker" network ls -q --filter type=custom)
[ -z "$left" ] || fail "down -v left something: $left"
say "down -v left nothing"
echo "compose: passed"
