package actors

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"tenement/conf"
	"tenement/sandbox"
)

// started gives the spec that alice was started with.
func started(t *testing.T, config *conf.Config) (spec sandbox.Spec, h *Host) {
	t.Helper()
	play(t, config, func(t *testing.T, host *Host, s *stage) {
		register(t, host, alice())
		if err := visit(t, host, alice()); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		spec, h = s.running["notes:alice"].spec, host
	})
	return spec, h
}

func TestSpec_AtNamespaceTheTenantIsAUserOfItsOwn(t *testing.T) {
	config := defaults()
	config.Path = "/srv/app/tenement.toml"
	n := config.Services["notes"]
	n.Isolation, n.Network, n.Listen = conf.IsolationNamespace, conf.NetworkPrivate, conf.ListenAuto
	n.Mounts, n.Rootfs = []conf.Mount{{Source: "/srv/assets", Destination: "/assets", ReadOnly: true}}, "/srv/root"
	spec, h := started(t, config)
	if spec.Level != sandbox.LevelNamespace || spec.UID != 1900000000 || spec.Hostname != "notes" || spec.Network != sandbox.NetworkPrivate ||
		spec.Port != 8080 || spec.User != nil || spec.Rootfs != "/srv/root" {
		t.Errorf("%+v", spec)
	}
	if !reflect.DeepEqual(spec.Mounts, []sandbox.Mount{{Source: "/srv/assets", Destination: "/assets", ReadOnly: true}}) {
		t.Errorf("%+v", spec.Mounts)
	}
	if want := []string{h.o.DataDir, h.o.RunDir, "/srv/app/tenement.toml"}; !slices.Equal(spec.Hidden, want) {
		t.Errorf("hides %q, want %q", spec.Hidden, want)
	}
	dir := filepath.Join(h.o.DataDir, "notes", "alice")
	for _, entry := range []string{"HOME=" + dir, "DATA_DIR=" + dir, "PORT=8080"} {
		if spec.DataDir != dir || !slices.Contains(spec.Env, entry) {
			t.Errorf("no %s in %q", entry, spec.Env)
		}
	}
}

func TestSpec_InTheHostsNetworkAPortIsTheTenantsAlone(t *testing.T) {
	config := defaults()
	n := config.Services["notes"]
	n.Isolation, n.Network, n.Listen = conf.IsolationNamespace, conf.NetworkHost, conf.ListenTCP
	if spec, _ := started(t, config); spec.Port < 20000 {
		t.Errorf("port %d", spec.Port)
	}
}

func TestSpec_AtProcessItRunsAsTheDaemonOrAsAUser(t *testing.T) {
	if spec, h := started(t, defaults()); spec.User != nil || !slices.Contains(spec.Env, "HOME="+os.Getenv("HOME")) {
		t.Errorf("%+v, %s", spec, h.o.DataDir)
	}
	if os.Geteuid() != 0 {
		t.Skip("another user needs root")
	}
	config := defaults()
	config.Services["notes"].User = "nobody"
	spec, h := started(t, config)
	if spec.User == nil || spec.User.UID != 65534 || !slices.Contains(spec.Env, "HOME="+spec.DataDir) {
		t.Errorf("%+v", spec)
	}
	for _, dir := range []string{h.o.DataDir, filepath.Join(h.o.DataDir, "notes"), h.o.RunDir, filepath.Dir(spec.RunDir)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
	config = defaults()
	config.Services["notes"].User = "nobody-at-all"
	play(t, config, func(t *testing.T, h *Host, s *stage) {
		_, err := h.Register(t.Context(), []conf.Instance{alice()})
		if err == nil {
			err = visit(t, h, alice())
		}
		const want = `service notes is refused: user = "nobody-at-all": there is no such user here: make it (useradd -r), or name another`
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	})
}

func TestFindUser_ByNameAndByNumber(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := findUser("nobody"); err == nil || err.Error() != `user = "nobody" needs root: run the daemon as root, or as that user and without the key` {
			t.Error(err)
		}
		return
	}
	for _, name := range []string{"nobody", "65534"} {
		if u, err := findUser(name); err != nil || u.UID != 65534 || u.GID == 0 {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	for _, name := range []string{"root", "0"} {
		if u, err := findUser(name); err != nil || u != nil {
			t.Errorf("our own: %+v, %v", u, err)
		}
	}
	if _, err := findUser("4294967296"); err == nil {
		t.Error("a number too big")
	}
}
