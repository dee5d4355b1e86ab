package egress

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// diagnosis is what Diagnose says, as text.
func diagnosis(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s|%v|%s|%s\n", f.Name, f.OK, f.Detail, f.HowToGet)
	}
	return b.String()
}

// allGood is the diagnosis of a host that has everything.
func allGood(forwarding string) string {
	return "veth pairs|true|one joined two namespaces|\n" +
		"nftables|true|a table like the daemon's|\n" +
		"IPv4 forwarding|true|net.ipv4.ip_forward is " + forwarding + "|\n" +
		"packets pass the host's firewall|true|one went from namespace to namespace|\n"
}

func TestDiagnose_AHostThatHasEverythingIsLeftAsItWas(t *testing.T) {
	for said, forward := range map[string]bool{"0, the daemon switches it on for tenants alone": false, "1": true} {
		t.Run(said, func(t *testing.T) {
			newWorld(t, forward)
			before := snapshot(t)
			if got := diagnosis(Diagnose()); got != allGood(said) {
				t.Errorf("got\n%s", got)
			}
			unchanged(t, before)
		})
	}
}

// Docker's FORWARD drops what Docker has no rule for; what the finding tells the
// operator to do helps.
func TestDiagnose_AFirewallThatEatsPacketsIsSeen(t *testing.T) {
	newWorld(t, true)
	n := openNetwork(t, Options{})
	tenant, _ := attach(t, n)
	reached(t, tenant, "tcp4", public+":80")
	docker := dropForwards(t, "filter", "FORWARD", "DOCKER-USER")
	if call(tenant, "tcp4", public+":80", aWhile) == nil {
		t.Fatal("the chain drops nothing")
	}
	var log strings.Builder
	blocked := openNetwork(t, Options{Log: zerolog.New(&log)})
	blocked.checking.Wait()
	if !strings.Contains(log.String(), "tenants may not reach the internet") || !strings.Contains(log.String(), "DOCKER-USER") {
		t.Errorf("the log says %s", log.String())
	}
	got := Diagnose()
	last := got[len(got)-1]
	if want := (Finding{
		Name: "packets pass the host's firewall", NeededBy: `network = "private"`,
		Detail:   "the chain FORWARD of the nftables table ip filter drops what this host forwards (Docker)",
		HowToGet: "iptables -I DOCKER-USER -i tnm-+ -j ACCEPT; iptables -I DOCKER-USER -o tnm-+ -j ACCEPT",
	}); last != want {
		t.Errorf("got %+v", last)
	}
	must(t, transact(func(c *nftables.Conn) error {
		chain := &nftables.Chain{Name: "FORWARD", Table: docker}
		accept := verdict(expr.VerdictAccept)
		for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
			c.AddRule(&nftables.Rule{Table: docker, Chain: chain, Exprs: append(interfaceName(key, expr.CmpOpEq, anyTenant), accept...)})
		}
		return nil
	}))
	reached(t, tenant, "tcp4", public+":80")
	if got := diagnosis(Diagnose()); got != allGood("1") {
		t.Errorf("got\n%s", got)
	}
}

func TestDiagnose_TheUsualFirewallsAreKnown(t *testing.T) {
	drop, accept := nftables.ChainPolicyDrop, nftables.ChainPolicyAccept
	ip := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}
	inet := &nftables.Table{Name: "mine", Family: nftables.TableFamilyINet}
	ip6 := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv6}
	forward := func(t *nftables.Table, policy *nftables.ChainPolicy) *nftables.Chain {
		return &nftables.Chain{Name: "FORWARD", Table: t, Hooknum: nftables.ChainHookForward, Policy: policy}
	}
	named := func(name string) *nftables.Chain { return &nftables.Chain{Name: name, Table: ip} }
	for name, c := range map[string]struct {
		chains         []*nftables.Chain
		legacy         bool
		detail, advice string
	}{
		"nobody": {[]*nftables.Chain{forward(ip, &accept), forward(ip6, &drop), forward(ip, nil)}, false,
			"something drops what this host forwards",
			"let your firewall accept what it forwards from and to the interfaces tnm-*"},
		"legacy": {nil, true,
			"something drops what this host forwards (iptables-legacy is in use here)",
			"iptables-legacy -I FORWARD -i tnm-+ -j ACCEPT; iptables-legacy -I FORWARD -o tnm-+ -j ACCEPT"},
		"own rules": {[]*nftables.Chain{forward(inet, &drop)}, false,
			"the chain FORWARD of the nftables table inet mine drops what this host forwards",
			"nft insert rule inet mine FORWARD iifname 'tnm-*' accept; nft insert rule inet mine FORWARD oifname 'tnm-*' accept"},
		"ufw": {[]*nftables.Chain{forward(ip, &drop), named("ufw-user-forward")}, false,
			"the chain FORWARD of the nftables table ip filter drops what this host forwards (ufw)",
			"ufw route allow in on tnm-+"},
		"firewalld": {[]*nftables.Chain{{Name: "filter_FORWARD", Table: &nftables.Table{Name: "firewalld", Family: nftables.TableFamilyINet}, Hooknum: nftables.ChainHookForward, Policy: &accept}}, false,
			"something drops what this host forwards (firewalld)",
			"firewall-cmd --permanent --zone=trusted --add-interface=tnm-+; firewall-cmd --reload"},
	} {
		if detail, advice := judge(c.chains, c.legacy); detail != c.detail || advice != c.advice {
			t.Errorf("%s: got %q, %q", name, detail, advice)
		}
	}
}

// What an ordinary user, or a container without the means, is told.
func TestDiagnose_AnOrdinaryUserIsToldWhatIsMissing(t *testing.T) {
	needRoot(t)
	got := asCharacter(t, "diagnoses", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	const want = `veth pairs|false|cannot make a network namespace: operation not permitted|run as root; modprobe veth
nftables|false|cannot make a network namespace: operation not permitted|run as root; modprobe nf_tables nft_masq nft_reject_inet nft_ct nft_connlimit (Linux 5.2 or later)
IPv4 forwarding|false|net.ipv4.ip_forward is 0 and cannot be set for single interfaces: open /proc/sys/net/ipv4/conf/lo/forwarding: permission denied|sysctl -w net.ipv4.ip_forward=1, or a writable /proc/sys
packets pass the host's firewall|false|cannot make a network namespace: operation not permitted|see the lines above
open: cannot read the nftables table tenement-abcdef01: netlink receive: operation not permitted
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestDiagnose_AReadOnlyProcIsSaid(t *testing.T) {
	needRoot(t)
	got := asCharacter(t, "diagnosesReadOnly", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS})
	const want = `veth pairs|true|one joined two namespaces|
nftables|true|a table like the daemon's|
IPv4 forwarding|false|net.ipv4.ip_forward is 0 and cannot be set for single interfaces: open /proc/sys/net/ipv4/conf/lo/forwarding: read-only file system|sysctl -w net.ipv4.ip_forward=1, or a writable /proc/sys
packets pass the host's firewall|false|cannot set a switch of the kernel: open /proc/sys/net/ipv6/conf/tnm-pN/disable_ipv6: read-only file system|see the lines above
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// asCharacter runs this test binary in a network namespace of its own as
// something else than a test.
func asCharacter(t *testing.T, name string, attr *syscall.SysProcAttr) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), character+"="+name)
	cmd.SysProcAttr = attr
	attr.Cloneflags |= unix.CLONE_NEWNET
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	return string(out)
}

// play is what a test binary does that is started as a character.
func play(name string) error {
	if name == "diagnosesReadOnly" {
		if err := errors.Join(
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""),
			unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
		); err != nil {
			return err
		}
	}
	fmt.Print(regexp.MustCompile("tnm-p[0-9a-z]+").ReplaceAllString(diagnosis(Diagnose()), "tnm-pN"))
	if os.Getuid() != 0 {
		_, err := Open(Options{ID: "abcdef01", Range: testRange})
		fmt.Println("open:", err)
	}
	return nil
}
