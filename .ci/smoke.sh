#!/usr/bin/env bash
# Runs inside the VPS as root: ten as a systemd service on a pure cgroup v2
# tree; a tenant wakes, sleeps, wakes with its data, and ends with the service.
set -euo pipefail
mkdir -p /srv/app
cat >/srv/app/tenement.toml <<'TOML'
[settings]
data_dir = "/var/lib/tenement"

[service.web]
command = "python3 -u -m http.server --bind 127.0.0.1 {port}"
workdir = "{instance_dir}"
listen = "tcp"
isolation = "process"
idle_timeout = 2
startup_timeout = 60
apex = "none"
TOML
ten --config /srv/app/tenement.toml check
systemd-run --quiet --unit=ten --property=Delegate=yes --property=RuntimeDirectory=tenement --property=WorkingDirectory=/srv/app --setenv=TENEMENT_CONFIG=/srv/app/tenement.toml \
	/usr/local/bin/ten serve -p 8080 -d localhost
trap 'journalctl -u ten -n 40 --no-pager; systemctl stop ten' ERR
ask() { curl -sS --max-time 90 -o /tmp/body -w '%{http_code}' -H 'Host: alice.web.localhost' "http://127.0.0.1:8080$1"; }
until_true() { local i; for ((i = 0; i < 300; i++)); do ! "$@" >/dev/null 2>&1 || return 0; sleep 0.2; done; echo "never: $*"; return 1; }
state() { TENEMENT_CONFIG=/srv/app/tenement.toml RUNTIME_DIRECTORY=/run/tenement ten why web:alice | head -n 1 | grep -q "$1"; }
until_true curl -sf http://127.0.0.1:8080/health
[ "$(ask /)" = 200 ]
echo "kept" >/var/lib/tenement/web/alice/note.txt
until_true state asleep
! pgrep -f http.server
[ "$(ask /note.txt)" = 200 ]
grep -qx kept /tmp/body
kill -KILL "$(pgrep -f http.server)"
[ "$(ask /note.txt)" = 200 ]
pid=$(pgrep -f http.server)
echo "cgroup of the tenant: $(cat "/proc/$pid/cgroup")"
[ "$(cat "/proc/$pid/cgroup")" != "$(cat "/proc/$(systemctl show -P MainPID ten)/cgroup")" ]
systemctl stop ten
! pgrep -f http.server
[ "$(systemctl show -P Result ten 2>/dev/null || echo success)" = success ]
echo "smoke: woke, slept, kept its data, survived a kill, ended with the service"
