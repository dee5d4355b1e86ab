# shellcheck shell=bash
# Sourced by .ci/vps-NAME.sh, as `. vps-lib.sh NAME`: a throw-away VPS of its own
# and a folder, $work, which are both gone when the script ends, however it does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin LC_ALL=C.UTF-8 VPS_NAME=${VPS_NAME:-$1$$}
vps=${TENEMENT_VPS:-../shared/vps/vps.sh}
[ -x "$vps" ] || { echo "no $vps (TENEMENT_VPS says where it is)" >&2; exit 1; }
work=$(mktemp -d)
trap '"$vps" down || true; rm -rf -- "$work"' EXIT

static() { CGO_ENABLED=0 go build "$@"; } # what runs on any Linux

# boot starts it, with .ci/NAME-guest.sh on it; guest runs that, with arguments.
guest_script=.ci/$1-guest.sh
boot() { # [ARGUMENTS OF vps.sh up...]
	"$vps" build
	"$vps" up --cpus 2 "$@"
	"$vps" put .ci/guest-lib.sh /root/guest-lib.sh
	"$vps" put "$guest_script" /root/guest.sh
}
guest() { "$vps" run bash /root/guest.sh "$@"; }
