package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tenement/conf"
)

func tenantOf(n int) Tenant {
	return Tenant{Name: conf.Instance{Service: "notes", ID: fmt.Sprintf("t%d", n)}, UID: uint32(1_900_000_000 + n), Weight: 100}
}

// While a store writes as fast as it can, every copy is one of its states: the
// first n tenants for some n, and never fewer than the copy before.
func TestCopy_OfABusyRegistryIsOneOfItsStates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { // ended by stop
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := s.Apply(PutTenant{Tenant: tenantOf(n)}); err != nil {
				stopped <- err
				return
			}
		}
	}()
	last := 0
	deadline := time.Now().Add(60 * time.Second)
	for copies := 0; copies < 50 && time.Now().Before(deadline); copies++ {
		data, err := Copy(path)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(other, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(other)
		if err != nil {
			t.Fatalf("copy %d: %v", copies, err)
		}
		all, _, err := c.Load()
		c.Close()
		if err != nil || len(all) < last {
			t.Fatalf("copy %d: %d tenants after %d, %v", copies, len(all), last, err)
		}
		last = len(all)
		there := map[string]bool{}
		for _, tenant := range all {
			there[tenant.Name.ID] = true
		}
		for n := range all {
			if !there[fmt.Sprintf("t%d", n)] {
				t.Fatalf("copy %d has %d tenants and not t%d", copies, len(all), n)
			}
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if last == 0 {
		t.Error("nothing was written meanwhile")
	}
}

func TestCopy_WhatIsNoRegistryIsSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "registry.db")
	if _, err := Copy(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("none: %v", err)
	}
	for text, says := range map[string]string{"": "no valid header", strings.Repeat("x", 9000): "no valid header"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Copy(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "restore it from a backup") {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	os.Remove(path)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(PutTenant{Tenant: tenantOf(1)}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:8192+100], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(path); err == nil || !strings.Contains(err.Error(), "no valid header") {
		t.Errorf("cut short: %v", err)
	}
	if Verify(nil) == nil || Verify(whole) != nil || Verify(whole[:8192]) == nil || Verify(bytes.Repeat([]byte{0}, 32768)) == nil {
		t.Error("Verify does not tell a registry from another file")
	}
}
