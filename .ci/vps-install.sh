#!/usr/bin/env bash
# .ci/vps-install.sh - from an empty Debian to a running server and back: the .deb,
# ten install, HTTPS, restarts, crashes, a reboot, ten uninstall, on a throw-away
# VPS. .ci/install-guest.sh runs inside. Under 10 minutes.
. "$(dirname "${BASH_SOURCE[0]}")/vps-lib.sh" install || exit

.ci/package "$work/dist"
mkdir "$work/notes"
static -o "$work/notes/notes" ./examples/go
runsc=$(command -v runsc || echo "$HOME/.cache/tenement-ci/runsc")
boot
"$vps" put "$work"/dist/tenement_*_amd64.deb /root/tenement.deb
"$vps" put "$work/notes" /srv/notes
if [ -x "$runsc" ]; then
	"$vps" put "$runsc" /usr/local/bin/runsc
else
	echo "note: no runsc, so isolation = \"sandbox\" is not tried in the unit"
fi
began=$SECONDS
guest first
echo "--- from outside"
"$vps" get /root/ca.pem "$work/ca.pem"
outside() { curl -sS --max-time 90 --cacert "$work/ca.pem" --resolve "$1:$https:127.0.0.1" -o "$work/body" -w '%{http_code}' "https://$1:$https$2" "${@:3}"; }
https=$("$vps" port 443)
[ "$(outside alice.notes.app.test /)" = 200 ] && grep -q 'kept' "$work/body" || { cat "$work/body"; echo "alice is not reached from outside"; exit 1; }
[ "$(outside app.test /)" = 200 ] && grep -q '<title>tenement' "$work/body" || { cat "$work/body"; echo "the dashboard is not reached from outside"; exit 1; }
token=$("$vps" run ten token-gen | grep -o 'ten_[A-Za-z0-9_-]*')
[ "$(outside app.test /api/instances)" = 401 ] || { cat "$work/body"; echo "strangers are let in"; exit 1; }
[ "$(outside "app.test" "/api/instances?all=true" -H "Authorization: Bearer $token")" = 200 ] && grep -q notes:alice "$work/body" || { cat "$work/body"; echo "a token is of no use from outside"; exit 1; }
"$vps" reboot
guest again
[ "$(outside alice.notes.app.test /)" = 200 ] || { echo "alice is not reached from outside after the reboot"; exit 1; }
guest last
echo "vps-install: $((SECONDS - began)) s on the server, whole run ${SECONDS} s"
