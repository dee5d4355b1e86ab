#!/usr/bin/env bash
# .ci/vps-headline.sh - the promise in one sentence, tried where it is made: on a
# throw-away VPS with 1 GB, 1000 tenants are registered, 20 may be awake, and
# visitors come to all of them for ten minutes. Nobody is killed for memory, and
# nobody gets an error but the 503 that max_awake says. Behaviour, not time: the
# figures go to bench/results/headline-COMMIT.txt. About 15 minutes.
#   HEADLINE_FOR=10m   how long the visitors come
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/local/go/bin LC_ALL=C.UTF-8 VPS_NAME=${VPS_NAME:-headline}
vps=${TENEMENT_VPS:-../shared/vps/vps.sh}
[ -x "$vps" ] || { echo "no $vps (TENEMENT_VPS says where it is)" >&2; exit 1; }
out=${HEADLINE_OUT:-bench/results/headline-$(git rev-parse --short=12 HEAD).txt}
work=$(mktemp -d)
trap '"$vps" down || true; rm -rf -- "$work"' EXIT

CGO_ENABLED=0 go build -o "$work/ten" ./cmd/ten
CGO_ENABLED=0 go build -o "$work/bench" ./bench
"$vps" build
"$vps" up --mem 1024 --cpus 2
"$vps" put "$work/ten" /usr/local/bin/ten
"$vps" put "$work/bench" /usr/local/bin/bench
"$vps" put bench/testdata/apps /srv/app
"$vps" put .ci/headline-guest.sh /root/guest.sh
mkdir -p "$(dirname "$out")"
{
	echo "commit $(git rev-parse --short=12 HEAD), a VPS with 1 GB and 2 CPUs, booted by qemu: behaviour, not time"
	"$vps" run bash /root/guest.sh "${HEADLINE_FOR:-10m}"
} | tee "$work/result"
mv "$work/result" "$out"
echo "vps-headline: whole run ${SECONDS} s"
