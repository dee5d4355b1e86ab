package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// standIn runs a character that answers for others until the test ends.
func standIn(t *testing.T, cmd *exec.Cmd) (pid string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the stand-in says %q, %v", line, err)
	}
	return strconv.Itoa(cmd.Process.Pid)
}

// runTool runs a command that has to succeed.
func runTool(t *testing.T, words ...string) {
	t.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", words, err, out)
	}
}

// outside gives the namespace of the tests an uplink, to an internet and to a
// private network that stand-ins answer for. The machine's own resolvers are
// among them.
func outside(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces are made by root only: run as root")
	}
	answers := exec.Command(characterApp, "answers")
	answers.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	internet := standIn(t, answers)
	runTool(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", internet)
	t.Cleanup(func() { runTool(t, "ip", "link", "del", "up0") })
	runTool(t, "ip", "addr", "add", "203.0.113.2/24", "dev", "up0")
	runTool(t, "ip", "link", "set", "up0", "up")
	runTool(t, "ip", "route", "add", "default", "via", "203.0.113.1")
	for _, words := range [][]string{
		{"addr", "add", "203.0.113.1/24", "dev", "eth0"}, {"link", "set", "eth0", "up"},
		{"addr", "add", "198.51.100.7/32", "dev", "eth0"}, {"addr", "add", "169.254.169.254/32", "dev", "eth0"},
		{"addr", "add", "10.0.0.5/32", "dev", "eth0"}, {"addr", "add", "10.0.0.6/32", "dev", "eth0"},
	} {
		runTool(t, append([]string{"nsenter", "-t", internet, "-n", "ip"}, words...)...)
	}
	for _, resolver := range resolvers(t) {
		if ip := net.ParseIP(resolver); ip.IsLoopback() {
			standIn(t, exec.Command(characterApp, "names", resolver))
		} else if ip.To4() != nil {
			runTool(t, "nsenter", "-t", internet, "-n", "ip", "addr", "add", resolver+"/32", "dev", "eth0")
			standIn(t, exec.Command("nsenter", "-t", internet, "-n", characterApp, "names", resolver))
		}
	}
}

// resolvers are those of the machine.
func resolvers(t *testing.T) (addresses []string) {
	t.Helper()
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "nameserver" {
			addresses = append(addresses, words[1])
		}
	}
	return addresses
}

// dialled is what a tenant gets from an address.
func (d *daemon) dialled(service, id, to string) string {
	d.t.Helper()
	return d.want(200, service, id, "/dial?to="+url.QueryEscape(to)).body
}

// dials is a service of characters that call whom they are told to.
func dials(service, more string) string {
	return fmt.Sprintf("\n[service.%s]\ncommand = \"/character dials\"\nmounts = [[\"CHARACTER\", \"/character\", true]]\nlisten = \"tcp\"\napex = \"none\"\nidle_timeout = 60\n%s\n", service, more)
}

func TestEgress_ATenantReachesTheInternetAndWhatItIsAllowed(t *testing.T) {
	outside(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ended by the listener's end
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("the host's"))
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	d := launch(t, setup{services: dials("web", "") +
		dials("db", fmt.Sprintf("allow = [\"10.0.0.5:5432\"]\nhost_ports = [%d]", port)) +
		dials("lone", `network = "none"`)})

	const hello, refused = "hello", "connection refused"
	api := fmt.Sprintf("203.0.113.2:%d", d.port)
	for _, c := range []struct{ service, to, want string }{
		{"web", "198.51.100.7:80", hello},
		{"web", "169.254.169.254:80", refused},
		{"web", "10.0.0.5:5432", refused},
		{"web", "203.0.113.2:22", refused},
		{"web", api, refused},
		{"web", fmt.Sprintf("127.0.0.1:%d", port), refused},
		{"web", fmt.Sprintf("127.0.0.1:%d", d.port), refused},
		{"db", "198.51.100.7:80", hello},
		{"db", "10.0.0.5:5432", hello},
		{"db", "10.0.0.5:80", refused},
		{"db", "10.0.0.6:5432", refused},
		{"db", fmt.Sprintf("127.0.0.1:%d", port), "the host's"},
		{"lone", "198.51.100.7:80", "network is unreachable"},
		{"lone", fmt.Sprintf("127.0.0.1:%d", port), refused},
	} {
		if got := d.dialled(c.service, "a", c.to); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s: got %q, want %q", c.service, c.to, got, c.want)
		}
	}
	for _, to := range []string{"169.254.169.254:80", "10.0.0.5:5432", "10.0.0.6:5432"} { // the controls
		if c, err := net.DialTimeout("tcp", to, 10*time.Second); err != nil {
			t.Errorf("the host itself does not reach %s: %v", to, err)
		} else {
			c.Close()
		}
	}
	if got := d.want(200, "web", "a", "/lookup?name=www.example.org.").body; got != "[198.51.100.7] <nil>" {
		t.Errorf("a lookup gives %s", got)
	}
	d.terminate()
	if out, _ := exec.Command("ip", "-o", "link").CombinedOutput(); strings.Contains(string(out), "tnm-") {
		t.Errorf("links are left:\n%s", out)
	}
	if on, _ := os.ReadFile("/proc/sys/net/ipv4/conf/up0/forwarding"); string(on) != "0\n" {
		t.Errorf("up0 is left forwarding: %q", on)
	}
}

func TestEgress_WithoutAWayOutItIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces are made by root only: run as root")
	}
	// A range that this host has a route to stands for all that a host may lack.
	runTool(t, "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
	defer runTool(t, "ip", "link", "del", "other0")
	runTool(t, "ip", "addr", "add", "192.168.77.1/24", "dev", "other0")
	runTool(t, "ip", "link", "set", "other0", "up")
	d := launch(t, setup{
		settings: `private_network = "192.168.0.0/16"`,
		services: dials("web", "") + dials("db", `allow = ["10.0.0.5:5432"]`),
	})
	const lacks = "192.168.0.0/16 overlaps 192.168.77.0/24, which this host has a route to: set private_network to a network that is free"
	const offer = `write network = "none" to do without, or network = "host" for the host's own network`
	if got := d.dialled("web", "a", "198.51.100.7:80"); !strings.HasSuffix(got, "network is unreachable") {
		t.Errorf("got %q", got)
	}
	r, err := d.try("GET", d.host("db", "a"), "/", "")
	if want := "allow needs a way out of a private network, and this host has none: " + lacks + "; " + offer; err != nil || r.status == 200 || !strings.Contains(d.output.String(), strings.ReplaceAll(want, `"`, `\"`)) {
		t.Errorf("%v, %d, and the log does not say %q:\n%s", err, r.status, want, d.output)
	}
	if want := strings.ReplaceAll("its tenants cannot reach the internet from here: "+offer, `"`, `\"`); !strings.Contains(d.output.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, d.output)
	}
}

// gVisor's own network is that of the namespace.
func TestEgress_AtSandboxItIsTheSame(t *testing.T) {
	if _, err := exec.LookPath("runsc"); err != nil {
		t.Skip("isolation = \"sandbox\" needs runsc: see ten doctor")
	}
	outside(t)
	d := launch(t, setup{services: dials("box", "isolation = \"sandbox\"\nstartup_timeout = 30\nallow = [\"10.0.0.5:5432\"]")})
	for to, want := range map[string]string{
		"198.51.100.7:80": "hello", "10.0.0.5:5432": "hello",
		"169.254.169.254:80": "connection refused", "10.0.0.6:5432": "connection refused", fmt.Sprintf("203.0.113.2:%d", d.port): "connection refused",
	} {
		if got := d.dialled("box", "a", to); !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %q, want %q", to, got, want)
		}
	}
	if got := d.want(200, "box", "a", "/lookup?name=www.example.org.").body; got != "[198.51.100.7] <nil>" {
		t.Errorf("a lookup gives %s", got)
	}
}
