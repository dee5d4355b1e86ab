#!/usr/bin/env bash
# .ci/browser/run.sh [TEN] - the dashboard in headless Chromium, against a daemon of
# its own on loopback. TEN: a built binary; without one it is built. Screenshots go
# to docs/screenshots, or to $SCREENSHOTS; with ALL=1 there too every page, light, dark
# and on a phone, to be looked at. Needs chromium, node and npm.
set -euo pipefail
ten=${1:+$(realpath "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")"
repo=$(cd ../.. && pwd)
for program in node npm "${CHROMIUM:-/usr/bin/chromium}"; do
	command -v "$program" >/dev/null || { echo "the browser suite needs $program: apt-get install chromium nodejs npm"; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/browser.XXXXXX")
trap 'rm -rf --one-file-system -- "$work"' EXIT
[ -n "$ten" ] || { (cd "$repo" && CGO_ENABLED=0 go build -o "$work/ten" ./cmd/ten); ten=$work/ten; }
cp package.json package-lock.json ./*.mjs "$work"
(cd "$work" && npm ci --no-audit --no-fund --silent)
cd "$work" # a checkout that changes meanwhile shall not matter
export TEN=$ten WORK=$work SCREENSHOTS=${SCREENSHOTS:-$repo/docs/screenshots}
# A network of its own: nothing can leave, and Chromium breaks its requests off
# (ERR_NETWORK_CHANGED) whenever somebody else on the machine makes an interface.
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
	unshare --net sh -c 'ip link set lo up && exec node suite.mjs'
else
	node suite.mjs
fi
