#!/usr/bin/env bash
# .ci/suites.sh - public suites against the built binary, as root on Debian:
# slowhttptest (slow heads, bodies, readers) and WebSockets of two languages,
# each client at each server. Installs nothing but npm's ws, in a directory of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suites=$PWD/.ci/suites
ws=8.18.3
python=/usr/bin/python3
work=$(mktemp -d "${TMPDIR:-/tmp}/suites.XXXXXX")
daemon=
finish() {
	local rc=$?
	[ -z "$daemon" ] || { kill -TERM "$daemon" 2>/dev/null && wait "$daemon" || true; }
	[ $rc = 0 ] || tail -n 10 "$work/log" 2>/dev/null || true
	rm -rf --one-file-system -- "$work"
	exit $rc
}
trap finish EXIT

for tool in slowhttptest node npm unshare ss curl; do
	command -v $tool >/dev/null || { echo "missing $tool: apt-get install slowhttptest nodejs npm util-linux iproute2 curl"; exit 1; }
done
$python -c 'import websockets' || { echo "missing: apt-get install python3-websockets"; exit 1; }

go build -o "$work/ten" ./cmd/ten
cp "$suites"/* "$work"
(cd "$work" && npm install --silent --no-audit --no-fund "ws@$ws" >"$work/npm.log" 2>&1) || { cat "$work/npm.log"; exit 1; }

service() { # NAME COMMAND
	printf '[service.%s]\ncommand = "%s"\nisolation = "process"\nlisten = "tcp"\napex = "none"\nstartup_timeout = 60\nenv = { NODE_PATH = "%s/node_modules" }\n' "$1" "$2" "$work"
}
{
	printf '[settings]\nbind = "127.0.0.1"\ndata_dir = "%s/data"\nrun_dir = "%s/run"\nclient_header_timeout = 3\nclient_body_timeout = 3\nclient_write_timeout = 3\n' "$work" "$work"
	service node "node $work/echo.mjs"
	service python "$python $work/echo.py"
	service web "$python -m http.server --bind 127.0.0.1 --directory $work/www {port}"
} >"$work/tenement.toml"
mkdir "$work/www"
head -c 8000000 /dev/zero >"$work/www/large"
echo small >"$work/www/index.html"
export TENEMENT_CONFIG=$work/tenement.toml
port=$($python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/ten" serve -p "$port" -d localhost 2>"$work/log" &
daemon=$!
for ((i = 0; i < 300; i++)); do
	! curl -sf -o "$work/health" "http://127.0.0.1:$port/health" || break
	sleep 0.1
done

for host in one.node.localhost one.python.localhost; do
	node "$work/client.mjs" "$port" "$host"
	$python "$work/client.py" "$port" "$host"
done

# slow KIND CLIENTS HOST PATH OPTIONS...: the service stays available to the suite's own
# probe, and the daemon has ended every connection while the suite would still go
# on (a slow reader does not notice: what it has yet to read hides the reset). Its
# names are the mount namespace's own: the machine's /etc/hosts stays as it is.
echo "127.0.0.1 one.web.localhost one.node.localhost" >"$work/hosts"
slow() {
	local kind=$1 clients=$2 host=$3 path=$4 most=0 now=0 suite began=$SECONDS
	shift 4
	unshare --mount sh -c 'mount --bind "$1" /etc/hosts; shift; exec "$@"' sh "$work/hosts" \
		slowhttptest "$kind" -c $clients -r 100 -l 40 -p 5 -g -o "$work/slow" -u "http://$host:$port$path" "$@" >"$work/slow.log" 2>&1 &
	suite=$!
	while kill -0 $suite 2>/dev/null; do
		now=$(ss -Htn state established "sport = :$port" | wc -l)
		[ "$now" -le $most ] || most=$now
		[ $most -lt $((clients * 2 / 3)) ] || [ "$now" -gt 1 ] || break # one may be the probe
		sleep 0.2
	done
	began=$((SECONDS - began))
	kill -INT $suite 2>/dev/null || true
	wait $suite || true
	! grep -q 'No open connections left' "$work/slow.log" || now=0 # since the last look
	echo "slowhttptest $kind: at most $most connections at once, $now after $began s"
	[ $most -ge $((clients * 2 / 3)) ] && [ "$now" -le 1 ] && [ $began -lt 35 ] && grep -q 'service available:.*YES' "$work/slow.log" && ! grep -q 'service available:.*NO' "$work/slow.log" ||
		{ tail -n 20 "$work/slow.log"; return 1; }
}
slow -H 300 one.node.localhost / -i 1 -x 8
slow -B 300 one.node.localhost / -i 1 -s 100000 -x 8 -t POST
slow -X 100 one.web.localhost /large -w 1 -y 2 -n 1 -z 1 -k 1
