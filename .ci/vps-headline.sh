#!/usr/bin/env bash
# .ci/vps-headline.sh - the promise in one sentence, tried where it is made: on a
# throw-away VPS with 1 GB, 1000 tenants are registered, 20 may be awake, and
# visitors come to all of them for ten minutes. Nobody is killed for memory, and
# nobody gets an error but the 503 that max_awake says. Behaviour, not time: the
# figures go to bench/results/headline-COMMIT.txt. About 15 minutes.
#   HEADLINE_FOR=10m   how long the visitors come
. "$(dirname "${BASH_SOURCE[0]}")/vps-lib.sh" headline || exit
out=${HEADLINE_OUT:-bench/results/headline-$(git rev-parse --short=12 HEAD).txt}

static -o "$work/ten" ./cmd/ten
static -o "$work/bench" ./bench
boot --mem 1024
"$vps" put "$work/ten" /usr/local/bin/ten
"$vps" put "$work/bench" /usr/local/bin/bench
"$vps" put bench/testdata/apps /srv/app
mkdir -p "$(dirname "$out")"
{
	echo "commit $(git rev-parse --short=12 HEAD), a VPS with 1 GB and 2 CPUs, booted by qemu: behaviour, not time"
	guest "${HEADLINE_FOR:-10m}"
} | tee "$work/result"
mv "$work/result" "$out"
echo "vps-headline: whole run ${SECONDS} s"
