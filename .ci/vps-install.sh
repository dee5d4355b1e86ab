#!/usr/bin/env bash
# .ci/vps-install.sh - from an empty Debian to a running server and back: the .deb,
# ten install, HTTPS, restarts, crashes, a reboot, ten uninstall, on a throw-away
# VPS. .ci/install-guest.sh runs inside. Under 10 minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin LC_ALL=C.UTF-8 VPS_NAME=${VPS_NAME:-install$$}
vps=${TENEMENT_VPS:-../shared/vps/vps.sh}
[ -x "$vps" ] || { echo "no $vps (TENEMENT_VPS says where it is)" >&2; exit 1; }
work=$(mktemp -d)
trap '"$vps" down || true; rm -rf -- "$work"' EXIT

.ci/package "$work/dist"
mkdir "$work/notes"
CGO_ENABLED=0 go build -o "$work/notes/notes" ./examples/go
runsc=$(command -v runsc || echo "$HOME/.cache/tenement-ci/runsc")
"$vps" build
"$vps" up --cpus 2
"$vps" put "$work"/dist/tenement_*_amd64.deb /root/tenement.deb
"$vps" put "$work/notes" /srv/notes
"$vps" put .ci/install-guest.sh /root/guest.sh
if [ -x "$runsc" ]; then
	"$vps" put "$runsc" /usr/local/bin/runsc
else
	echo "note: no runsc, so isolation = \"sandbox\" is not tried in the unit"
fi
began=$SECONDS
"$vps" run bash /root/guest.sh first
echo "--- from outside"
"$vps" get /root/ca.pem "$work/ca.pem"
outside() { curl -sS --max-time 60 --cacert "$work/ca.pem" --resolve "$1:$https:127.0.0.1" -o "$work/body" -w '%{http_code}' "https://$1:$https$2"; }
https=$("$vps" port 443)
[ "$(outside alice.notes.app.test /)" = 200 ] && grep -q 'kept' "$work/body" || { cat "$work/body"; echo "alice is not reached from outside"; exit 1; }
[ "$(outside app.test /)" = 200 ] || { cat "$work/body"; echo "the daemon's own page is not reached from outside"; exit 1; }
"$vps" reboot
"$vps" run bash /root/guest.sh again
[ "$(outside alice.notes.app.test /)" = 200 ] || { echo "alice is not reached from outside after the reboot"; exit 1; }
"$vps" run bash /root/guest.sh last
echo "vps-install: $((SECONDS - began)) s on the server, whole run ${SECONDS} s"
