package e2e

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// usageRow is a line of `ten usage --json`.
type usageRow struct {
	Day      string  `json:"day"`
	Instance string  `json:"instance"`
	CPU      float64 `json:"cpu_seconds"`
	Memory   float64 `json:"memory_gb_seconds"`
	Awake    float64 `json:"awake_seconds"`
	Requests uint64  `json:"requests"`
	In       uint64  `json:"bytes_in"`
	Out      uint64  `json:"bytes_out"`
	Wakes    uint64  `json:"wakes"`
}

// used is what a tenant has used by now, of all days (it may be midnight).
func (d *daemon) used(name string) (sum usageRow) {
	d.t.Helper()
	var rows []usageRow
	if err := json.Unmarshal([]byte(d.must("usage", name, "--json")), &rows); err != nil {
		d.t.Fatal(err)
	}
	for _, r := range rows {
		sum.CPU, sum.Memory, sum.Awake = sum.CPU+r.CPU, sum.Memory+r.Memory, sum.Awake+r.Awake
		sum.Requests, sum.In, sum.Out, sum.Wakes = sum.Requests+r.Requests, sum.In+r.In, sum.Out+r.Out, sum.Wakes+r.Wakes
	}
	return sum
}

// counters is what the kernel says of a process's cgroups: CPU seconds, bytes.
func counters(t *testing.T, pid int) (cpu, memory float64) {
	t.Helper()
	for _, dir := range cgroupDirs(pid) {
		for line := range strings.Lines(textOf(filepath.Join(dir, "cpu.stat"))) {
			if n, found := strings.CutPrefix(line, "usage_usec "); found {
				cpu = numberOf(n) / 1e6
			}
		}
		for _, file := range []string{"memory.current", "memory.usage_in_bytes"} {
			memory += numberOf(textOf(filepath.Join(dir, file)))
		}
	}
	if cpu == 0 || memory == 0 {
		t.Fatalf("the cgroups of %d say %v s, %v bytes", pid, cpu, memory)
	}
	return cpu, memory
}

func textOf(path string) string {
	b, _ := os.ReadFile(path) // not every cgroup has every file
	return string(b)
}

func numberOf(text string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(text), 64) // none is nothing
	return n
}

// load asks a tenant and counts what goes over its own connections.
type load struct {
	http.Client
	read atomic.Int64
}

func newLoad(t *testing.T) *load {
	l := &load{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return countedConn{conn, &l.read}, err
	}}
	l.Transport = transport
	t.Cleanup(transport.CloseIdleConnections)
	return l
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (l *load) ask(d *daemon, path string, body string) {
	d.t.Helper()
	r, err := http.NewRequest("POST", "http://"+d.address()+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Host = d.host("web", "one")
	resp, err := l.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		d.t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
}

// within2 fails unless two figures agree within 2 %.
func within2(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > want/50 {
		t.Errorf("%s: ten usage says %.6g, the kernel or the load generator %.6g", what, got, want)
	}
	t.Logf("%s: %.6g and %.6g", what, got, want)
}

// The figures to bill from are the cgroup's and the load generator's.
func TestUsage_AgreesWithTheCgroupAndTheLoad(t *testing.T) {
	t.Parallel()
	d := launchLimited(t, setup{services: character("web", "serves", "listen = \"fd\"\nmemory_limit_mb = 512")})
	l := newLoad(t)
	l.ask(d, "/eat?mb=64", "hello") // and then it holds still: what changes between two looks of the daemon's is a guess
	pid := d.instances()["web:one"].Pid
	cpu, memory := counters(t, pid)
	before := time.Now()
	first, began, last := d.used("web:one"), time.Now(), time.Now()
	var held float64 // byte-seconds, by looks of our own
	look := func() {
		var now float64
		if cpu, now = counters(t, pid); now > 0 {
			held += (memory + now) / 2 * time.Since(last).Seconds()
			memory, last = now, time.Now()
		}
	}
	const burns, small = 20, 400
	for range burns {
		l.ask(d, "/burn?for=100ms", "")
		look()
	}
	for range small {
		l.ask(d, "/", "hello")
	}
	for time.Since(began) < 12*time.Second {
		time.Sleep(100 * time.Millisecond) // the time that passes is what is measured
		look()
	}
	time.Sleep(1100 * time.Millisecond) // a fresh look of the daemon's
	look()
	used := d.used("web:one")
	cpuAfter, _ := counters(t, pid)
	if used.CPU < cpu*0.98 || used.CPU > cpuAfter*1.02 {
		t.Errorf("ten usage says %.3f CPU seconds, the cgroup %.3f before and %.3f after", used.CPU, cpu, cpuAfter)
	}
	// The two do not look at one moment: the memory held a second, on average, and
	// the seconds by themselves.
	awake := used.Awake - first.Awake
	within2(t, "GB*s a second", (used.Memory-first.Memory)/awake, held/1e9/last.Sub(began).Seconds())
	if least, most := last.Sub(began).Seconds(), time.Since(before).Seconds(); awake < least*0.98-1 || awake > most*1.02 {
		t.Errorf("awake for %.3f s, want %.3f to %.3f", awake, least, most)
	}
	if used.Requests != burns+small+1 || used.In != 5*(small+1) || used.Wakes != 1 {
		t.Errorf("%+v, want %d requests with %d bytes after 1 wake", used, burns+small+1, 5*(small+1))
	}
	within2(t, "bytes out", float64(used.Out), float64(l.read.Load()))
}

func TestUsage_OutlivesTheTenantAndADaemonThatIsKilled(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.want(200, "web", "one", "/burn?for=300ms")
	eventually(t, "it is counted", 20*time.Second, func() bool { return d.used("web:one").CPU > 0.01 })
	before := d.used("web:one")
	d.murder()
	d.start()
	if after := d.used("web:one"); after.CPU < before.CPU || after.Requests != 1 || after.Wakes != 1 {
		t.Errorf("before the daemon was killed %+v, after %+v", before, after)
	}
	d.want(200, "web", "one", "/")
	d.must("stop", "web:one")
	d.must("forget", "web:one", "--delete-data")
	if after := d.used("web:one"); after.Requests != 2 || after.Wakes != 2 {
		t.Errorf("after it was forgotten: %+v", after)
	}
	lines, err := csv.NewReader(strings.NewReader(d.must("usage", "web", "--csv"))).ReadAll()
	if err != nil || len(lines) < 2 || lines[1][1] != "web:one" {
		t.Errorf("%v, %v", lines, err)
	}
	d.must("usage")
	if _, errs, code := d.ten("usage", "web:../x"); code != 1 || !strings.Contains(errs, "not a valid name") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
