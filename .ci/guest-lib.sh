# shellcheck shell=bash
# Sourced by .ci/*-guest.sh, inside the VPS.
set -euo pipefail
step() { echo "--- $* (${SECONDS} s)"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "never: $*"; sleep 0.2; done
}
first_line_says() { # TEXT COMMAND...: without a pipe, whose reader leaves before its writer has ended
	local said
	said=$("${@:2}") && [[ ${said%%$'\n'*} == *"$1"* ]]
}
tenants() { # EXPRESSION of one tenant i, for each of those registered, sorted
	ten ps --all --json | python3 -c "import json,sys; print(*sorted(str($1) for i in json.load(sys.stdin)), sep='\n')"
}

# serve runs the daemon without ten install, as the unit ten.
serve() {
	systemd-run --quiet --unit=ten --property=Delegate=yes --property=RuntimeDirectory=tenement --property=WorkingDirectory=/srv/app \
		--setenv=TENEMENT_CONFIG="$TENEMENT_CONFIG" /usr/local/bin/ten serve -p 8080 -d localhost
	until_true 120 curl -sf http://127.0.0.1:8080/health
}
