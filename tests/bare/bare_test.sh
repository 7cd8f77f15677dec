#!/usr/bin/env bash
# ./run on a machine that has nothing: a minimal Debian 12 root from debootstrap, with the repository as committed, checked from outside.
#
# The root shares this machine's network, so ports are offset. Everything in it ends with its process namespace.
# Environment: UMBEL_BARE_DIR (where the root is made, default build/bare), UMBEL_BARE_OFFSET (default 20000).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" -eq 0 ] || { echo "bare: needs root for debootstrap and chroot" >&2; exit 1; }

work=${UMBEL_BARE_DIR:-build/bare}
offset=${UMBEL_BARE_OFFSET:-20000}
root=$work/root
page=http://127.0.0.1:$((5555 + offset))
prometheus=http://127.0.0.1:$((9090 + offset))
mkdir -p "$work"
work=$(realpath "$work") root=$(realpath -m "$root")

say() { echo "bare: $*"; }
fail() {
  say "FAILED: $*"
  tail -n 60 "$work/run.log" 2>/dev/null || true
  exit 1
}
now() { date +%s; }

# 1. The root. debootstrap's result is kept as an archive, so that a second test starts from the same nothing.
if [ ! -f "$work/bookworm.tar" ]; then
  say "making a minimal Debian 12"
  rm -rf "$root"
  debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log"; exit 1; }
  tar -C "$root" -cf "$work/bookworm.tar" .
fi
rm -rf "$root"
mkdir -p "$root"
tar -C "$root" -xf "$work/bookworm.tar"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
# How this machine reaches its package registries, and whose certificates it trusts, is its own business; the root gets the same.
mkdir -p "$root/usr/local/share/ca-certificates"
cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/auth.conf /etc/npmrc "$HOME/.npmrc"; do
  [ ! -f "$file" ] || install -D -m 600 "$file" "$root$file"
done
git clone -q . "$root/umbel"

# 2. Without leave to install, it says what is missing and changes nothing.
if refusal=$(chroot "$root" /umbel/run --no-install 2>&1); then
  say "FAILED: ./run --no-install went on without its packages"
  exit 1
fi
grep -q "Missing Debian packages: .*g++.*prometheus" <<<"$refusal" || { say "FAILED: ./run --no-install said: $refusal"; exit 1; }
[ ! -e "$root/umbel/build" ] || { say "FAILED: ./run --no-install built something"; exit 1; }

# 3. ./run, in namespaces of its own: mounts, and processes, which all end when the first of them does.
say "./run, from nothing (packages, build, stack)"
began=$(now)
unshare --mount --pid --fork --kill-child bash -c '
  mount -t proc proc "$1/proc"
  mount -t tmpfs tmpfs "$1/tmp"
  mount --bind /dev "$1/dev"
  exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /umbel/run --port-offset "$2"' bash "$root" "$offset" >"$work/run.log" 2>&1 &
stack=$!
trap 'kill -KILL $stack 2>/dev/null || true; wait $stack 2>/dev/null || true' EXIT

until grep -q "starting simulator" "$work/run.log"; do
  kill -0 $stack 2>/dev/null || fail "./run ended early"
  [ $(($(now) - began)) -lt 2400 ] || fail "not built after 40 minutes"
  sleep 1
done
built=$(now)
say "installed and built after $((built - began)) s"

# 4. From outside: submissions on the page's data within 60 s of the last build step, targets up, the average a number.
until curl -sf "$page/api/overview" 2>/dev/null | grep -q '"fullname"'; do
  kill -0 $stack 2>/dev/null || fail "the stack ended"
  [ $(($(now) - built)) -lt 60 ] || fail "no submission on the page after 60 s"
  sleep 0.5
done
say "first submission on the page after $(($(now) - built)) s"

up_query() { curl -sf "$prometheus/api/v1/targets?state=active" || true; }
deadline=$(($(now) + 90))
until targets=$(up_query) && [ "$(grep -o '"health":"up"' <<<"$targets" | wc -l)" -ge 6 ] && ! grep -q '"health":"\(down\|unknown\)"' <<<"$targets"; do
  [ "$(now)" -lt $deadline ] || fail "not every target is up: $targets"
  sleep 1
done
say "every Prometheus target is up ($(grep -o '"health":"up"' <<<"$targets" | wc -l))"

average='sum(submission_fetch_time_sum)/sum(submission_fetch_time_count)'
until value=$(curl -sfG "$prometheus/api/v1/query" --data-urlencode "query=$average" | grep -o '"value":\[[^]]*\]') && ! grep -q NaN <<<"$value"; do
  [ "$(now)" -lt $deadline ] || fail "the average fetch time is no number: ${value:-nothing}"
  sleep 1
done
say "average fetch time: $value"

answer=$(curl -sf -X POST "$page/task/add" -d '{"x": 20, "y": 22}')
id=$(grep -o '"id": *"[^"]*"' <<<"$answer" | head -1 | cut -d'"' -f4)
until status=$(curl -sf "$page/task/status/$id") && grep -q '"SUCCESS"' <<<"$status"; do
  [ "$(now)" -lt $((deadline + 30)) ] || fail "add(20, 22) did not end: $status"
  sleep 0.2
done
grep -q '"result": *42' <<<"$status" || fail "add(20, 22): $status"
say "add(20, 22): $status"
curl -sf "$page/" | grep -qi '<html' || fail "the page is not served"

# 5. The end: SIGINT to `umbel up` stops all inside ten seconds. The children of `unshare` are ours to see by name.
supervisor=$(pgrep -f "release/bin/umbel up --port-offset $offset" | head -1)
stopping=$(now)
kill -INT "$supervisor"
wait $stack || true
took=$(($(now) - stopping))
[ $took -le 10 ] || fail "stopping took $took s"
! curl -s -o /dev/null "$page/healthz" || fail "the page still answers"
trap - EXIT
say "stopped in $took s"
echo "bare: passed"
