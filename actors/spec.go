package actors

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"tenement/conf"
	"tenement/sandbox"
)

// instanceDir is where a tenant keeps its data.
func (h *Host) instanceDir(name conf.Instance) string {
	return filepath.Join(h.o.DataDir, name.Service, name.ID)
}

// recordDir is where the run records are.
func (h *Host) recordDir() string { return filepath.Join(h.o.RunDir, "r") }

// tenantRunDir is the tenant's own directory for its socket and pipes. A socket
// path has 107 bytes, two names of 63 do not fit; its uid does, is nobody
// else's, and keeps a:b-c and a-b:c apart.
func (h *Host) tenantRunDir(c *Cell) string {
	return filepath.Join(h.o.RunDir, "t", strconv.FormatUint(uint64(c.record.Load().UID), 36))
}

// specOf is everything about one start: the service's templates filled in, the
// tenant's directories made, a port taken (to be given back by ReleasePort).
func (h *Host) specOf(c *Cell, gen uint64) (sandbox.Spec, error) {
	dir := h.instanceDir(c.name)
	config, err := c.madeOf()
	if err != nil {
		return sandbox.Spec{}, fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sandbox.Spec{}, fmt.Errorf("cannot start %s: cannot make its directory: %w", c.name, err)
	}
	spec := sandbox.Spec{
		Name: c.name.String(), Generation: gen, Level: sandbox.Level(config.Isolation),
		RunDir: h.tenantRunDir(c), Listen: sandbox.Listen(config.Listen), Limits: limitsOf(config),
		UID: c.record.Load().UID, Hostname: config.Name, DataDir: dir, Network: sandbox.Network(config.Network),
		HostPorts: config.HostPorts, Allow: config.Allow,
		Hidden: []string{h.o.DataDir, h.o.RunDir, h.Config().Path}, Rootfs: config.Rootfs,
	}
	if err := h.letIn(config, &spec); err != nil {
		return sandbox.Spec{}, fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	for _, m := range config.Mounts {
		spec.Mounts = append(spec.Mounts, sandbox.Mount(m))
	}
	vars := conf.Vars{Name: c.name.Service, ID: c.name.ID, DataDir: h.o.DataDir, InstanceDir: dir}
	if config.Listen != conf.ListenTCP {
		vars.Socket = filepath.Join(spec.RunDir, strconv.FormatUint(gen, 10)+".sock")
	}
	if config.Listen == conf.ListenAuto || config.Listen == conf.ListenTCP {
		port, err := h.port(spec.Network)
		if err != nil {
			return sandbox.Spec{}, fmt.Errorf("cannot start %s: %w", c.name, err)
		}
		vars.Port, spec.Port = port, port
	}
	filled := config.Expand(vars)
	spec.Socket, spec.Argv, spec.Dir = filled.Socket, filled.Argv, filled.Workdir
	if spec.Dir == "" {
		spec.Dir = h.workdir
	}
	secretEnv, secrets, err := secretsOf(filled)
	if err != nil {
		h.launcher.ReleasePort(spec.Port)
		return sandbox.Spec{}, fmt.Errorf("cannot start %s: %w", c.name, err)
	}
	spec.Secrets = secrets
	spec.Env = environment(config, c, spec, dir, secretPlaces(spec.RunDir, secrets), secretEnv, filled.Env, c.record.Load().Env, c.record.Load().Secrets)
	return spec, nil
}

func (h *Host) port(network sandbox.Network) (int, error) {
	if network == sandbox.NetworkPrivate || network == sandbox.NetworkNone {
		return conf.TenantPort, nil // for everybody who has a network alone
	}
	return h.launcher.FreePort()
}

// environment is all that a tenant sees of ours: what the contract promises,
// what the service passes through, what it sets, and what the tenant has of its
// own, the later winning.
func environment(config *conf.Service, c *Cell, spec sandbox.Spec, dir string, own ...map[string]string) []string {
	env := map[string]string{
		"DATA_DIR":         dir,
		"TENEMENT_SERVICE": c.name.Service,
		"TENEMENT_ID":      c.name.ID,
	}
	if release := c.release(); release != "" {
		env["TENEMENT_RELEASE"] = release
	}
	for _, name := range append([]string{"PATH", "HOME", "LANG", "TZ"}, config.PassEnv...) {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	// The daemon's HOME at process: go, uv and npm find their caches there.
	// Elsewhere it is out of sight, or somebody else's.
	if spec.Level != sandbox.LevelProcess || spec.User != nil {
		env["HOME"] = dir
	}
	if env["PATH"] == "" {
		env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	if spec.Port != 0 {
		env["PORT"] = strconv.Itoa(spec.Port)
	}
	// With a socket passed in, a path to bind would only mislead.
	if spec.Socket != "" && spec.Listen != sandbox.ListenFD {
		env["SOCKET_PATH"] = spec.Socket
	}
	for _, layer := range own {
		maps.Copy(env, layer)
	}
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	return list
}
