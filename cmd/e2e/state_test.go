package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// registryFile finds the one file of the registry in data_dir.
func (d *daemon) registryFile() string {
	d.t.Helper()
	var found []string
	filepath.WalkDir(d.data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.Contains(e.Name(), "registry") && !strings.HasSuffix(path, ".lock") {
			found = append(found, path)
		}
		return nil
	})
	if len(found) != 1 {
		d.t.Fatalf("the registry: %v, want one file", found)
	}
	return found[0]
}

// runsOrSays starts the daemon, which either answers or ends by itself with a
// message that names the file. It reports whether it answers.
func (d *daemon) runsOrSays(file string) bool {
	d.t.Helper()
	before := len(d.output.String())
	d.port = freePort(d.t)
	d.spawn()
	if d.answers() {
		return true
	}
	if d.running() {
		d.t.Fatalf("it neither answers nor ends:\n%s", d.output)
	}
	if said := d.output.String()[before:]; !strings.Contains(said, file) {
		d.t.Errorf("it ended without naming %s: %q", file, said)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 1 {
		d.t.Errorf("it ended with %v, want exit 1", d.cmd.ProcessState)
	}
	return false
}

func TestState_DamagedRegistryStartsOrSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.want(200, "web", "alice", "/")
	d.must("register", "web:bob")
	d.must("hold", "web:bob")
	precious := filepath.Join(d.data, "web", "alice", "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.terminate()
	file := d.registryFile()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{
		"empty": {}, "one byte": whole[:1], "half": whole[:len(whole)/2], "a page": whole[:4096], "all but a byte": whole[:len(whole)-1],
		"garbage": bytes.Repeat([]byte("garbage "), len(whole)/8), "garbage inside": slices.Concat(whole[:4096*2], bytes.Repeat([]byte{0xa5}, len(whole)-4096*2)),
		"zeroes": make([]byte, len(whole)), "text": []byte("this is not a registry\n"),
	}
	for name, content := range damaged {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if d.runsOrSays(file) {
			t.Logf("%s: it runs", name)
			d.terminate()
		}
		if text, _ := os.ReadFile(precious); string(text) != "precious" {
			t.Fatalf("%s: tenant data was touched: %q", name, text)
		}
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	if all := d.instances(); all["web:alice"].State != "asleep" || all["web:bob"].State != "held" {
		t.Errorf("with the registry whole again: %+v", all)
	}
}

func TestState_UnreadableRegistryIsNamed(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.terminate()
	file := d.registryFile()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil { // root may read every file, but no directory
		t.Fatal(err)
	}
	if d.runsOrSays(file) {
		t.Error("it runs without a registry")
	}
}

func TestState_WhatWasSetByHandOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	d.must("spawn", "web:heavy")
	d.must("weight", "web:heavy", "0")
	d.must("register", "web:quiet")
	d.must("hold", "web:quiet")
	d.must("register", "web:known")
	d.terminate()
	d.start()
	all := d.instances()
	if all["web:heavy"].Weight != 0 || all["web:quiet"].State != "held" || all["web:known"].State != "asleep" {
		t.Errorf("after a restart: %+v", all)
	}
	if r := d.want(503, "web", "quiet", "/"); r.header.Get("Retry-After") != "" {
		t.Error("a held tenant promises to come back")
	}
	d.must("unhold", "web:quiet")
	d.want(200, "web", "quiet", "/")
}

func TestState_TheSecondDaemonIsToldTheFirst(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	_, errs, code := d.ten("serve", "-p", fmt.Sprint(freePort(t)))
	if code != 1 || !strings.Contains(errs, strconv.Itoa(d.cmd.Process.Pid)) {
		t.Errorf("exit %d %q, want 1 and pid %d", code, errs, d.cmd.Process.Pid)
	}
	d.want(200, "web", "one", "/")
}

// D1: what was acknowledged is on disk, no tenant runs twice, and the next
// daemon serves.
func TestState_DaemonKilledUnderLoadLosesNothingAndRunsNobodyTwice(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "unix"`)})
	const tenants = 5
	for i := range tenants {
		d.want(200, "web", fmt.Sprint("t", i), "/")
	}
	var mu sync.Mutex
	acknowledged := map[string][]string{}
	var load sync.WaitGroup
	for i := range tenants {
		id := fmt.Sprint("t", i)
		load.Go(func() {
			for n := range 100_000 {
				line := fmt.Sprintf("%s-%d", id, n)
				r, err := d.try("POST", d.host("web", id), "/append", line)
				if err != nil {
					return
				}
				if r.status == 200 {
					mu.Lock()
					acknowledged[id] = append(acknowledged[id], line)
					mu.Unlock()
				}
			}
		})
	}
	registered := []string{}
	for i := range 20 {
		name := fmt.Sprint("web:late", i)
		d.must("register", name)
		registered = append(registered, name)
	}
	d.noteCgroups()
	d.murder()
	load.Wait()
	d.start()
	for _, name := range registered {
		if _, ok := d.instances()[name]; !ok {
			t.Errorf("%s was registered and is unknown", name)
		}
	}
	for i := range tenants {
		id := fmt.Sprint("t", i)
		d.want(200, "web", id, "/")
		have := strings.Split(d.tenantFile("web", id, "lines"), "\n")
		known := map[string]bool{}
		for _, line := range have {
			known[line] = true
		}
		for _, line := range acknowledged[id] {
			if !known[line] {
				t.Fatalf("%s was acknowledged and is lost", line)
			}
		}
		if n := processesRunning(d, "web", id); n != 1 {
			t.Errorf("web:%s has %d processes, want 1", id, n)
		}
	}
}

// processesRunning counts the living processes that were started as a tenant.
func processesRunning(d *daemon, service, id string) int {
	n := 0
	for _, pid := range processesOf(d.dir) {
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		own := bytes.Contains(environ, []byte("DATA_DIR="+filepath.Join(d.data, service, id)+"\x00"))
		if own && alive(pid) {
			n++
		}
	}
	return n
}

// D3: a run record whose pid is somebody else's now is never acted on.
func TestState_ForeignProcessIsNeverSignalled(t *testing.T) {
	t.Parallel()
	// It starts first: a start time has the grain of 10 ms, and no pid of the
	// real world comes round in that time.
	foreign := exec.Command("sleep", "600")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- foreign.Wait() }() // ended below
	defer func() { foreign.Process.Kill() }()
	d := launch(t, setup{services: character("web", "serves", `listen = "unix"`)})
	d.want(200, "web", "one", "/")
	pid := d.instances()["web:one"].Pid
	d.noteCgroups()
	d.murder()
	// The record says this pid; start time and boot id stay those of the tenant.
	changed := 0
	whole := regexp.MustCompile(`\b` + strconv.Itoa(pid) + `\b`)
	filepath.WalkDir(d.runDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		text, _ := os.ReadFile(path)
		if other := whole.ReplaceAll(text, []byte(strconv.Itoa(foreign.Process.Pid))); !bytes.Equal(other, text) {
			os.WriteFile(path, other, 0o600)
			changed++
		}
		return nil
	})
	if changed == 0 {
		t.Fatal("no run record names the tenant's pid")
	}
	d.start()
	d.want(200, "web", "one", "/")
	select {
	case err := <-ended:
		t.Errorf("the foreign process was ended: %v", err)
	case <-time.After(time.Second):
	}
	// The record was spoilt by the test itself, so its process may have survived.
	for _, pid := range processesOf(filepath.Join(d.data, "web", "one")) {
		if alive(pid) && pid != d.instances()["web:one"].Pid {
			t.Logf("the process of the spoilt record, %d, lives on", pid)
			p, _ := os.FindProcess(pid)
			p.Kill()
		}
	}
}

func TestState_SpoiltRunRecordsDoNotStopTheDaemon(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "unix"`)})
	d.want(200, "web", "one", "/")
	pid := d.instances()["web:one"].Pid
	d.noteCgroups()
	d.murder()
	contents := [][]byte{{}, []byte("{"), []byte("garbage"), []byte(`{"pid":1}`), []byte("null"), []byte(`{"pid":-1,"Pid":-1}`), bytes.Repeat([]byte("["), 1<<20)}
	n := 0
	filepath.WalkDir(d.runDir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if text, _ := os.ReadFile(path); bytes.Contains(text, []byte(strconv.Itoa(pid))) {
				for i, c := range contents {
					os.WriteFile(filepath.Join(filepath.Dir(path), fmt.Sprintf("spoilt%d%s", i, filepath.Ext(path))), c, 0o600)
				}
				n++
			}
		}
		return nil
	})
	if n == 0 {
		t.Fatal("no run record names the tenant's pid")
	}
	d.start()
	d.want(200, "web", "one", "/")
	if n := processesRunning(d, "web", "one"); n != 1 {
		t.Errorf("web:one has %d processes, want 1", n)
	}
}

func TestState_TwoHundredTenantsAreGoneInTwoSeconds(t *testing.T) {
	const tenants = 200
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	var wakes sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wakes.Go(func() {
			for i := range next {
				if r, err := d.try("GET", d.host("web", fmt.Sprint("t", i)), "/", ""); err != nil || r.status != 200 {
					t.Errorf("t%d: %v %d", i, err, r.status)
				}
			}
		})
	}
	for i := range tenants {
		next <- i
	}
	close(next)
	wakes.Wait()
	if n := len(processesOf(d.data)); n < tenants {
		t.Fatalf("%d processes run, want %d", n, tenants)
	}
	d.noteCgroups()
	took := d.terminate()
	t.Logf("gone after %v", took)
	if took > 10*time.Second {
		t.Errorf("gone after %v, want 2 s and at most 10", took)
	}
	if left := processesOf(d.data); len(left) > 0 {
		t.Errorf("%d survivors", len(left))
	}
}
