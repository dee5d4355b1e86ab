#!/usr/bin/env bash
# .ci/vps-isolation.sh - isolation and limits where they are meant to hold: on a
# throw-away Debian VPS with systemd and a pure cgroup v2 tree. Boots it, runs
# .ci/isolation-guest.sh inside, reboots it, and looks again. Under 10 minutes.
. "$(dirname "${BASH_SOURCE[0]}")/vps-lib.sh" isolation || exit

mkdir "$work/app"
static -o "$work/ten" ./cmd/ten
for app in ./cmd/e2e/testdata/apps/character ./cmd/e2e/testdata/apps/probe; do
	static -o "$work/app/" "$app"
done
static -o "$work/app/notes" ./examples/go
boot
"$vps" put "$work/ten" /usr/local/bin/ten
"$vps" put "$work/app" /srv/app
guest first
"$vps" reboot
guest again
echo "vps-isolation: whole run ${SECONDS} s"
