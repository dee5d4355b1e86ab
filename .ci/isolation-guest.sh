#!/usr/bin/env bash
# Runs inside the VPS as root: .ci/isolation-guest.sh first, and after a reboot
# .ci/isolation-guest.sh again. Everything runs at level namespace, from a folder
# that only root can read.
. /root/guest-lib.sh || exit
export TENEMENT_CONFIG=/srv/app/tenement.toml RUNTIME_DIRECTORY=/run/tenement
unit=/sys/fs/cgroup/system.slice/ten.service
trap 'rc=$?; [ $rc = 0 ] || { cat /root/left 2>/dev/null || true; journalctl -u ten -n 20 --no-pager | cut -c1-400; ten ps; systemctl stop ten; }; exit $rc' EXIT

configure() {
	chmod 700 /srv/app
	service() { # NAME COMMAND, further lines on stdin
		printf '[service.%s]\ncommand = "%s"\nworkdir = "/srv/app"\nisolation = "namespace"\napex = "none"\nstartup_timeout = 60\n' "$1" "$2"
		cat
	}
	{
		printf '[settings]\ndata_dir = "/var/lib/tenement"\n'
		service control ./notes <<<'listen = "tcp"'
		service web "./character serves" <<<$'listen = "unix"\npids_limit = 40\nmemory_limit_mb = 64\ncpu_limit = 0.5\nrestart = "never"'
		service away "./character forks-away ignores" <<<'listen = "unix"'
		service crowd "./character serves" <<<'listen = "unix"'
		service probe "./probe serve" <<<$'listen = "unix"\nrequest_timeout = 240'
	} >/srv/app/tenement.toml
	ten check
}

# ask TENANT PATH: prints the status; the body is in /tmp/body.TENANT
ask() {
	local id=${1#*:} service=${1%:*}
	curl -sS --max-time 300 -o "/tmp/body.$1" -w '%{http_code}' -H "Host: $id.$service.localhost" "http://127.0.0.1:8080$2" "${@:3}"
}
wants() { # STATUS TENANT PATH [ARGUMENTS OF CURL...]
	local got
	got=$(ask "${@:2}") || true
	[ "$got" = "$1" ] || { cat "/tmp/body.$2"; ten why "$2"; fail "$2$3: $got, want $1"; }
}
pid_of() { ten ps --all --json | python3 -c 'import json,sys; print(next((i.get("pid", 0) for i in json.load(sys.stdin) if i["id"] == sys.argv[1]), 0))' "$1"; }
group_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")"; }
says() { local why; why=$(ten why "$1") && [[ $why == *"$2"* ]]; }
members() { [ ! -d "$1" ] || find "$1" -name cgroup.procs -exec cat {} +; }

# leftovers prints what tenants could leave behind on the machine.
leftovers() {
	{ find $unit -mindepth 1 -type d 2>/dev/null || true; } | grep -v '/supervisor$\|/daemon$\|/leaf$' | wc -l | sed 's/^/cgroups /'
	{ find /proc/[0-9]*/ns/mnt /proc/[0-9]*/ns/pid -printf '%l\n' 2>/dev/null || true; } | sort -u | wc -l | sed 's/^/namespaces /'
	wc -l </proc/self/mountinfo | sed 's/^/mounts /'
	pgrep -c -f '^\./(character|notes|probe)' | sed 's/^/processes /' || true
	{ find /run/tenement/t ! -type d 2>/dev/null || true; } | wc -l | sed 's/^/files /'
}

memory() {
	step "memory_limit_mb kills its tenant alone, and it is said"
	wants 200 control:one /
	wants 200 web:two /
	local control other
	control=$(pid_of control:one) other=$(pid_of web:two)
	wants 200 web:one /
	local group
	group=$(group_of web:one)
	[ "$(cat "$group/memory.max")" = $((64 << 20)) ] || fail "memory.max is $(cat "$group/memory.max")"
	wants 502 web:one /eat
	until_true 20 says web:one oom
	[ "$(pid_of control:one)" = "$control" ] && [ "$(pid_of web:two)" = "$other" ] || fail "somebody else was killed"
	wants 200 control:one /
	wants 200 web:two /
	echo "ten why: $(ten why web:one | head -n 2 | tr '\n' ' ')"
}

processes() {
	step "pids_limit holds, and it is said"
	wants 200 web:one /bomb
	cat /tmp/body.web:one; echo
	local group
	group=$(group_of web:one)
	[ "$(cat "$group/pids.max")" = 40 ] && [ "$(cat "$group/pids.current")" -le 40 ] || fail "pids.max $(cat "$group/pids.max"), pids.current $(cat "$group/pids.current")"
	until_true 20 says web:one pids
	wants 200 control:one /
	ten stop web:one
	[ -z "$(members "$group")" ] || fail "the bomb is not gone: $(members "$group")"
}

cpu() {
	step "cpu_limit holds within 10 %"
	wants 200 web:one /
	local group before after share
	group=$(group_of web:one)
	ask web:one '/burn?for=25s' >/dev/null &
	sleep 3
	before=$(awk '/^usage_usec/{print $2}' "$group/cpu.stat") began=${EPOCHREALTIME/./}
	sleep 15
	after=$(awk '/^usage_usec/{print $2}' "$group/cpu.stat") ended=${EPOCHREALTIME/./}
	share=$(((after - before) * 1000 / (ended - began)))
	echo "$share/1000 of a core, the limit is 500"
	[ $share -ge 450 ] && [ $share -le 550 ] || fail "a share of $share/1000"
	wait
}

freeze() {
	step "freeze and kill work"
	wants 200 web:one /
	local group
	group=$(group_of web:one)
	echo 1 >"$group/cgroup.freeze"
	until_true 10 grep -q 'frozen 1' "$group/cgroup.events"
	! curl -s --max-time 2 -o /dev/null -H 'Host: one.web.localhost' http://127.0.0.1:8080/ || fail "a frozen tenant answers"
	echo 0 >"$group/cgroup.freeze"
	wants 200 web:one /
	echo 1 >"$group/cgroup.freeze"
	ten stop web:one
	[ -z "$(members "$group")" ] || fail "a frozen tenant is not gone"
	wants 200 away:one /
	group=$(group_of away:one)
	until_true 20 test -s /var/lib/tenement/away/one/lingers
	local began=$SECONDS
	ten stop away:one
	[ $((SECONDS - began)) -le 7 ] || fail "stop took $((SECONDS - began)) s"
	[ -z "$(members "$group")" ] || fail "what forked away is not gone: $(members "$group")"
}

crowd() {
	step "100 tenants start and stop, nothing is left"
	wants 200 crowd:first /
	ten stop crowd:first
	sleep 3 # what went before is over
	leftovers >/root/before
	local names=() n
	for n in $(seq 100); do names+=("crowd:t$n"); done
	ten register "${names[@]}" >/dev/null
	export -f ask
	printf '%s\n' "${names[@]}" | xargs -P 4 -I {} bash -c 'code=$(ask {} /); [ "$code" = 200 ] || { echo "{}: $code"; exit 255; }'
	[ "$(ten ps --json | python3 -c 'import json,sys; print(sum(i["id"].startswith("crowd:") and i["state"] == "running" for i in json.load(sys.stdin)))')" = 100 ] || fail "not all run"
	echo "100 run after $SECONDS s; the daemon has $(awk '/VmRSS/{print $2}' "/proc/$(systemctl show -P MainPID ten)/status") KB"
	printf '%s\n' "${names[@]}" | xargs -P 4 -n 1 ten stop >/dev/null
	until_true 30 nothing_left
}
nothing_left() { leftovers >/root/after; diff /root/before /root/after >/root/left; }

# Only what concerns the machine itself: the rest has no targets here.
probes() {
	step "the escape suite on this kernel"
	wants 200 probe:one /
	local targets
	targets='{"Nonce":"vps","DataDir":"/var/lib/tenement","RunDir":"/run/tenement","AppDir":"/srv/app","Devices":{"/etc":'$(stat -c %d /etc)',"/usr/local/bin":'$(stat -c %d /usr/local/bin)'},"Disk":'$(stat -c %d /srv/app)'}'
	mkdir -p /root/scratch
	DATA_DIR=/root/scratch /srv/app/probe run <<<"$targets" >/root/control.json
	[ "$(ask probe:one /run -d "$targets")" = 200 ] || fail "the probe: $(cat /tmp/body.probe:one)"
	python3 - /root/control.json /tmp/body.probe:one <<'PY'
import json, sys
control, tenant = (json.load(open(path)) for path in sys.argv[1:])
areas = ("host", "privileges", "kernel")
shown = {r["name"] for r in control if r["open"] and r["area"] in areas}
open_ = [r for r in tenant if r["name"] in shown and r["open"]]
broken = [r for r in tenant if r["name"] in shown and r.get("broken")]
print(len(shown), "attempts work for root;", len(open_), "for a tenant:", [r["name"] for r in open_])
for name in "module, load", "kexec", "/proc/kcore", "sysrq", "higher limits", "own lower oom_score_adj", "AF_ALG", "disk":
    print(f"  {name}: " + ("shown" if name in shown else "not even root"))
sys.exit(f"broken: {broken}" if broken else f"open: {open_}" if len(open_) > 2 or len(shown) < 60 else 0)
PY
}

case $1 in
first)
	configure
	serve
	memory
	processes
	cpu
	freeze
	crowd
	probes
	wants 201 control:one / -d 'kept over the reboot'
	for name in $(ten ps --json | python3 -c 'import json,sys; print(*(i["id"] for i in json.load(sys.stdin)))'); do ten stop "$name" >/dev/null; done
	ten hold web:two
	tenants 'i["id"] + " " + i["state"]' >/root/registry
	sync
	step "done before the reboot, the daemon still running: $(wc -l </root/registry) tenants"
	trap - EXIT
	;;
again)
	step "after the reboot the registry is intact"
	serve
	tenants 'i["id"] + " " + i["state"]' | diff /root/registry - || fail "the registry differs"
	wants 200 control:one /
	grep -qx 'kept over the reboot' /tmp/body.control:one || fail "its data: $(cat /tmp/body.control:one)"
	wants 503 web:two /
	step "nothing is left when the service ends"
	systemctl stop ten
	[ -z "$(members $unit)" ] || fail "processes: $(members $unit)"
	[ ! -d $unit ] || fail "cgroups: $(find $unit -type d)"
	! pgrep -f '^\./(character|notes|probe)' || fail "processes are left"
	! ip -o link | grep -q tnm- || fail "links: $(ip -o link)"
	! grep -q tenement /proc/self/mountinfo || fail "mounts: $(grep tenement /proc/self/mountinfo)"
	step "isolation on a VPS: all held"
	;;
*) fail "usage: isolation-guest.sh first|again" ;;
esac
