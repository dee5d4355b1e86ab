#!/usr/bin/env bash
# .ci/vps-isolation.sh - isolation and limits where they are meant to hold: on a
# throw-away Debian VPS with systemd and a pure cgroup v2 tree. Boots it, runs
# .ci/isolation-guest.sh inside, reboots it, and looks again. Under 10 minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin LC_ALL=C.UTF-8 VPS_NAME=${VPS_NAME:-iso$$}
vps=${TENEMENT_VPS:-../shared/vps/vps.sh}
[ -x "$vps" ] || { echo "no $vps (TENEMENT_VPS says where it is)" >&2; exit 1; }
work=$(mktemp -d)
trap '"$vps" down || true; rm -rf -- "$work"' EXIT

mkdir "$work/app"
CGO_ENABLED=0 go build -o "$work/ten" ./cmd/ten
for app in ./cmd/e2e/testdata/apps/character ./cmd/e2e/testdata/apps/probe; do
	CGO_ENABLED=0 go build -o "$work/app/" "$app"
done
CGO_ENABLED=0 go build -o "$work/app/notes" ./examples/go
"$vps" build
"$vps" up --cpus 2
"$vps" put "$work/ten" /usr/local/bin/ten
"$vps" put "$work/app" /srv/app
"$vps" put .ci/isolation-guest.sh /root/guest.sh
"$vps" run bash /root/guest.sh first
"$vps" reboot
"$vps" run bash /root/guest.sh again
echo "vps-isolation: whole run ${SECONDS} s"
