package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tenement/conf"
	"tenement/sandbox"
)

func TestPorts_ThoseThatAreListenedOn(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		o    listenOptions
		want []wantedPort
	}{
		"plain":          {listenOptions{port: 8080}, []wantedPort{{8080, "--port"}}},
		"TLS":            {listenOptions{port: 443, httpPort: 80, tls: true}, []wantedPort{{443, "tls.https_port"}, {80, "tls.http_port"}}},
		"a socket":       {listenOptions{port: 8080, bind: []string{"unix:/run/x"}}, nil},
		"a socket, more": {listenOptions{port: 80, bind: []string{"unix:/run/x", "127.0.0.1"}}, []wantedPort{{80, "--port"}}},
	} {
		if got := c.o.wanted(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", about, got)
		}
	}
}

func TestPorts_WhoKeepsUsFromAnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bind, at string
		meets    bool
	}{
		{"", "127.0.0.1", true}, {"", "::1", true},
		{"127.0.0.1", "127.0.0.1", true}, {"127.0.0.1", "0.0.0.0", true}, {"127.0.0.1", "::", true}, {"127.0.0.1", "10.0.0.1", false}, {"127.0.0.1", "::1", false},
		{"0.0.0.0", "10.0.0.1", true}, {"0.0.0.0", "::1", false}, {"::1", "0.0.0.0", false}, {"::", "10.0.0.1", true},
		{"unix:/run/x", "0.0.0.0", false},
	} {
		o := listenOptions{bind: strings.Fields(c.bind)}
		if got := o.meets(netip.MustParseAddr(c.at)); got != c.meets {
			t.Errorf("bind %q, somebody on %s: %t", c.bind, c.at, got)
		}
	}
}

func TestPorts_HeldByWhom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, httpsUnit), []byte("[Socket]\nListenStream=0.0.0.0:443\nListenStream=[::]:443\nListenStream=/run/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	on := func(address string, holders ...sandbox.Holder) sandbox.Listener {
		return sandbox.Listener{Address: netip.MustParseAddrPort(address), UID: 33, Holders: holders}
	}
	systemd, ten, nginx := sandbox.Holder{PID: 1, Name: "systemd"}, sandbox.Holder{PID: 50, Name: "ten"}, sandbox.Holder{PID: 812, Name: "nginx"}
	for about, c := range map[string]struct {
		who  patient
		port int
		all  []sandbox.Listener
		want finding
	}{
		"nobody":            {patient{chosen: true}, 443, nil, good("p", "free")},
		"on another":        {patient{listen: listenOptions{bind: []string{"10.0.0.1"}}}, 443, []sandbox.Listener{on("127.0.0.1:443", nginx)}, good("p", "free")},
		"the daemon":        {patient{pid: 50}, 443, []sandbox.Listener{on("0.0.0.0:443", systemd, ten)}, good("p", "held by this daemon, pid 50")},
		"its unit":          {patient{}, 443, []sandbox.Listener{on("0.0.0.0:443", systemd)}, good("p", "held by systemd for the daemon")},
		"its unit and more": {patient{}, 443, []sandbox.Listener{on("0.0.0.0:443", systemd), on("127.0.0.1:443", ten)}, finding{"p", doubtful, "ten (pid 50) listens on 127.0.0.1:443", "`ten serve` needs another port", "ten serve --port N"}},
		"another's unit": {patient{chosen: true}, 80, []sandbox.Listener{on("0.0.0.0:80", systemd, nginx)}, finding{"p", wrong, "systemd (pid 1) and nginx (pid 812) listens on 0.0.0.0:80",
			"the daemon cannot listen there: visitors reach somebody else", "choose another with tls.http_port, or stop that one: `systemctl status 812` names its unit, `kill 812` ends it"}},
		"who knows": {patient{chosen: true}, 80, []sandbox.Listener{on("[::]:80")}, finding{"p", wrong, "a process of uid 33, whose name only root may see, listens on [::]:80",
			"the daemon cannot listen there: visitors reach somebody else", "choose another with tls.http_port, or stop that one: `ss -ltnp 'sport = :80'` as root says its name"}},
		"no matter": {patient{}, 8080, []sandbox.Listener{on("0.0.0.0:8080", nginx)}, finding{"p", doubtful, "nginx (pid 812) listens on 0.0.0.0:8080", "`ten serve` needs another port", "ten serve --port N"}},
	} {
		c.who.unitDir = dir
		if got := c.who.judgePort("p", wantedPort{c.port, "tls.http_port"}, c.all); got != c.want {
			t.Errorf("%s: %+v\nwant %+v", about, got, c.want)
		}
	}
}

func TestDoctor_APortThatSomebodyElseHoldsFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	w := newWorld(t)
	code, out, errs := w.ten("doctor", "-p", fmt.Sprint(port))
	if code != 1 || !strings.Contains(errs, "finding(s) failed") || !strings.Contains(out, fmt.Sprintf("(pid %d) listens on 127.0.0.1:%d", os.Getpid(), port)) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestDoctor_ARunningDaemonsOwnPortIsItsOwn(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	code, out, errs := w.ten("doctor")
	_, port, _ := strings.Cut(strings.TrimPrefix(w.url, "http://"), ":")
	if code != 0 || errs != "" || !strings.Contains(out, "ok       port "+port) || !strings.Contains(out, fmt.Sprintf("held by this daemon, pid %d", os.Getpid())) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestPatient_FlagsThenTheUnitThenTheFile(t *testing.T) {
	w := newWorld(t)
	look := func(f serveFlags) patient {
		t.Helper()
		a, _, _ := w.app()
		p, err := a.place()
		if err != nil {
			t.Fatal(err)
		}
		return a.patient(p, f)
	}
	bare := serveFlags{port: 8080, domain: "localhost"}
	if who := look(bare); who.domain != "localhost" || who.listen.port != 8080 || who.chosen {
		t.Errorf("nothing is said: %+v", who)
	}
	w.write(conf.FileName, worldConfig+"[settings]\ntls.enabled = true\ntls.domain = \"file.org\"\ntls.acme_email = \"a@b.c\"\ntls.https_port = 4443\n")
	if who := look(bare); who.domain != "file.org" || who.listen.port != 4443 || !who.listen.tls || !who.chosen {
		t.Errorf("the file: %+v", who)
	}
	unit := "[Service]\nExecStart=/usr/bin/ten serve --domain unit.org --port 444\nEnvironment=TENEMENT_CONFIG=" + w.file(conf.FileName) + "\n"
	w.write(strings.TrimPrefix(unitDir, "/")+"/"+serviceUnit, unit)
	if who := look(bare); who.domain != "unit.org" || who.listen.port != 444 || !who.chosen {
		t.Errorf("the unit: %+v", who)
	}
	if who := look(serveFlags{port: 9, portSet: true, domain: "flag.org", domainSet: true}); who.domain != "flag.org" || who.listen.port != 9 || !who.chosen {
		t.Errorf("the flags: %+v", who)
	}
	w.write(strings.TrimPrefix(unitDir, "/")+"/"+serviceUnit, strings.ReplaceAll(unit, w.dir, "/elsewhere"))
	if who := look(bare); who.domain != "file.org" {
		t.Errorf("the unit of another configuration: %+v", who)
	}
}

func TestServedAt_ReadsWhatDaemonsLeave(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]served{
		"https://example.com:443": {"example.com", 443, true}, "http://localhost:8080": {"localhost", 8080, false},
		"unix:/run/x": {}, "": {}, "http://x:port": {},
	} {
		if got := servedAt(url); got != want {
			t.Errorf("%q: %+v", url, got)
		}
	}
	dir := t.TempDir()
	if lockedPID(dir) != 0 {
		t.Error("a pid without a lock file")
	}
	err := os.WriteFile(filepath.Join(dir, lockName), []byte("4711\nhttp://x:1\n"), 0o600)
	if got := lockedPID(dir); err != nil || got != 4711 {
		t.Errorf("%d, %v", got, err)
	}
}
