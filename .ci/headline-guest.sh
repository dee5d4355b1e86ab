#!/usr/bin/env bash
# Runs inside the VPS as root: .ci/headline-guest.sh HOW-LONG
. /root/guest-lib.sh || exit
tenants=1000 awake=20
export TENEMENT_CONFIG=/srv/app/tenement.toml RUNTIME_DIRECTORY=/run/tenement
fail() { echo "FAILED: $*" >&2; journalctl -u ten -n 20 --no-pager | cut -c1-400 >&2; exit 1; } # in place of the library's
oom_kills() { awk '/^oom_kill /{print $2}' /proc/vmstat; }
memory() { awk '/^(MemTotal|MemAvailable|SwapTotal|SwapFree)/{printf "%s %.0f MB  ", $1, $2 / 1024}' /proc/meminfo; }
running() { ten ps --json | python3 -c 'import json,sys; print(sum(i["state"] == "running" for i in json.load(sys.stdin)))'; }

# Interpreters, which are what many such servers run; at namespace, as root's default.
cat >/srv/app/tenement.toml <<TOML
[settings]
data_dir = "/var/lib/tenement"
max_awake = $awake

[service.app]
command = "/usr/bin/python3 server.py fd"
workdir = "/srv/app"
listen = "fd"
isolation = "namespace"
idle_timeout = 60
startup_timeout = 60
apex = "none"
TOML
ten check
trap 'systemctl stop ten' EXIT
serve
seq -f 'app:t%05g' 0 $((tenants - 1)) | xargs ten register >/dev/null
[ "$(tenants 'i["id"]' | wc -l)" = $tenants ] || fail "not all are registered"
pid=$(systemctl show -P MainPID ten)
echo "$(uname -sr); $tenants registered and asleep: $(memory)"
echo "the daemon: $(awk '/^VmRSS/{print $2}' "/proc/$pid/status") KB resident, $(ls "/proc/$pid/task" | wc -l) threads, $(ls "/proc/$pid/fd" | wc -l) descriptors"
before=$(oom_kills)

# How many run, and what memory is left, every few seconds beside the visitors.
while :; do
	echo "$(running) $(awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo)"
	sleep 5
done >/root/watched 2>/dev/null &
watcher=$!
bench traffic --tenants $tenants --for "$1" >/root/traffic.json 2>/root/traffic.err || fail "the visitors: $(tail -n 5 /root/traffic.err)"
kill $watcher
wait $watcher 2>/dev/null || true

most=$(sort -n /root/watched | tail -n 1 | cut -d' ' -f1)
echo "visitors for $1: $(cat /root/traffic.json)"
echo "awake at most $most of $awake; MemAvailable at least $(cut -d' ' -f2 /root/watched | sort -n | head -n 1) MB; now $(memory)"
echo "the daemon: $(awk '/^VmRSS/{print $2}' "/proc/$pid/status") KB resident, $(ls "/proc/$pid/task" | wc -l) threads, $(ls "/proc/$pid/fd" | wc -l) descriptors"
echo "of the last 10 000 events, $(ten events --limit 10000 --json | grep -c 'make room (max_awake)' || true) put a tenant to sleep to make room"
broken=$(ten events --limit 10000 --json | grep -cE '"to": ?"(failed|backoff)"' || true)
killed=$(($(oom_kills) - before))
echo "killed for want of memory: $killed"
[ "$(systemctl show -P MainPID ten)" = "$pid" ] || fail "the daemon was started anew"
[ "$killed" = 0 ] || fail "$killed processes were killed for want of memory: $(dmesg | grep -i 'killed process' | tail -n 3)"
[ "$broken" = 0 ] || fail "$broken times a tenant failed: a 503 may have said that"
[ "$most" -le $awake ] || fail "$most were awake, more than max_awake"
[ "$most" = $awake ] || fail "only $most were awake: max_awake was never reached, and nothing is shown"
python3 - <<'PY' || fail "see the visitors' line: $(head -n 5 /root/traffic.err)"
import json
t = json.load(open("/root/traffic.json"))
assert t["answered"] > 100, "hardly anybody came"
assert t["failed"] == 0, f"{t['failed']} visits failed"
PY
echo "headline: held"
