package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Reload by the verb and by SIGHUP: what did not change keeps its process, what
// is broken changes nothing, what is gone is served no more and keeps its data.
func TestReload_AppliesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	web, shop := character("web", "serves", `listen = "fd"`), character("shop", "serves", `listen = "fd"`)
	// A session of its own: a daemon with a terminal would end on SIGHUP.
	d := launch(t, setup{wrap: []string{"setsid"}, services: control + web + shop})
	for _, service := range []string{"web", "shop"} {
		d.want(200, service, "one", "/")
	}
	web1, shop1 := d.instances()["web:one"].Pid, d.instances()["shop:one"].Pid
	quiet := d.neighbour()

	d.writeConfig(setup{services: control + strings.Replace(web, "serves", "serves again", 1) + shop})
	if out := d.must("reload"); !strings.Contains(out, "service.web.command") || strings.Contains(out, "shop") {
		t.Errorf("reload said %q", out)
	}
	d.want(200, "web", "one", "/")
	if d.instances()["web:one"].Pid == web1 || d.instances()["shop:one"].Pid != shop1 {
		t.Error("want a new process of web:one and the old one of shop:one")
	}

	d.writeConfig(setup{services: control + web + strings.Replace(shop, "command", "comand", 1)})
	if _, errs, code := d.ten("reload"); code != 1 || !strings.Contains(errs, "comand") {
		t.Errorf("a broken file: exit %d %q", code, errs)
	}
	d.want(200, "shop", "one", "/")

	d.writeConfig(setup{services: control + shop + character("late", "serves", `listen = "fd"`)})
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "SIGHUP adds and removes a service", 10*time.Second, func() bool {
		gone, err := d.try("GET", d.host("web", "one"), "/", "")
		added, err2 := d.try("GET", d.host("late", "one"), "/", "")
		return err == nil && err2 == nil && gone.status == 404 && added.status == 200
	})
	if d.instances()["shop:one"].Pid != shop1 {
		t.Error("shop:one has another process")
	}
	if _, err := os.Stat(filepath.Join(d.data, "web", "one")); err != nil {
		t.Errorf("the data of a removed service: %v", err)
	}
	quiet()
}
