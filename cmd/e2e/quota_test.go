package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const measuredOften = "health_check_interval = 0.2"

func TestQuota_AFullTenantIsNamedAndGoesOn(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{settings: measuredOften, services: control + character("web", "serves", "listen = \"unix\"\nstorage_quota_mb = 2")})
	d.want(200, "web", "one", "/")
	quiet := d.neighbour()
	d.want(200, "web", "one", "/fill?mb=3")
	d.await("web:one", "named quota", 20*time.Second, func(i instance) bool { return i.Limit == "quota" && i.State == "running" })
	for _, args := range [][]string{{"why", "web:one"}, {"ps"}, {"health", "web:one"}, {"logs", "web:one"}} {
		if out := d.must(args...); !strings.Contains(out, "quota") {
			t.Errorf("ten %v does not name it: %s", args, out)
		}
	}
	r, err := d.api("GET", "/api/instances/web:one/storage", "")
	if err != nil || !strings.Contains(r.body, `"measured":"walk"`) && !strings.Contains(r.body, `"measured":"project quota"`) {
		t.Errorf("%v %s", err, r.body)
	}
	d.want(200, "web", "one", "/fill?mb=1")
	d.await("web:one", "below its quota again", 20*time.Second, func(i instance) bool { return i.Limit == "" })
	quiet()
}

func TestQuota_AFullTenantThatIsToStopStaysDownUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{settings: measuredOften, services: character("web", "serves", "listen = \"unix\"\nstorage_quota_mb = 2\nstorage_full = \"stop\"")})
	d.want(200, "web", "one", "/fill?mb=3")
	i := d.awaitState("web:one", "asleep", 20*time.Second)
	if i.Limit != "quota" || !strings.Contains(i.Reason, "(storage_quota_mb is 2)") {
		t.Errorf("%+v", i)
	}
	if r := d.get("web", "one", "/"); r.status != 503 {
		t.Errorf("it came back: %d %s", r.status, r.body)
	}
	if why := d.must("why", "web:one"); !strings.Contains(why, "or raise the quota") {
		t.Errorf("why: %s", why)
	}
	empty(t, d, "web", "one", "fill")
	d.must("restart", "web:one")
	d.want(200, "web", "one", "/")
}

// empty removes a tenant's file, as its owner would.
func empty(t *testing.T, d *daemon, service, id, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.data, service, id, name)); err != nil {
		t.Fatal(err)
	}
}
