package conf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// levels are those that exist here, foreign those of the original that do not.
var (
	levels  = []Isolation{IsolationProcess, IsolationNamespace, IsolationSandbox}
	foreign = []Isolation{"firecracker", "qemu", "litebox", "quark"}
)

// readServices reads every [service.NAME].
func readServices(c *Config, v value) {
	for _, f := range v.table() {
		name, err := Name(f.name)
		if err != nil {
			f.fail("%v", err)
			continue
		}
		if first := c.Services[name]; first != nil {
			f.fail("the same service as that of line %d: upper and lower case are one", first.Line)
			continue
		}
		s := &Service{Name: name, Line: f.at.line}
		fill(f, serviceKeys, s)
		s.settle(f)
		readReleases(s, f)
		c.Services[name] = s
	}
	if len(c.Services) == 0 && !v.present() {
		v.remark("there is none, so there is nothing to run")
	}
}

// enclosing are the keys that need more of an enclosure than process has.
var enclosing = []string{"mounts", "rootfs"}

// settle draws the conclusions that need more than one key.
func (s *Service) settle(v value) {
	s.settleArgv(v)
	s.checkTemplates(v)
	s.settleView(v)
	s.settleEgress(v)
	if slices.Contains(foreign, s.Isolation) {
		s.Refused = fmt.Sprintf("isolation %q does not exist here: choose process, namespace or sandbox", s.Isolation)
	}
	if s.Isolation == IsolationSandbox && s.Listen == ListenFD {
		s.Refused = `listen = "fd" cannot be had with isolation = "sandbox", as gVisor accepts on no socket that was passed in: write listen = "unix"`
	}
	if s.Listen == ListenTCP && s.Socket != "" {
		v.field("socket").remark("not used with listen = %q", s.Listen)
	}
	if s.Apex != ApexWeighted && s.Apex != ApexNone {
		v.field("apex").remark("%q is taken as the id of a tenant; the words are %q and %q", s.Apex, ApexWeighted, ApexNone)
	}
	for _, name := range enclosing {
		if f := v.field(name); f.present() && s.Isolation == IsolationProcess {
			f.remark("not enforced at isolation = %q in this version", s.Isolation)
		}
	}
	if f := v.field("storage_full"); f.present() && s.StorageQuotaMB == 0 {
		f.remark("means nothing without storage_quota_mb")
	}
	if !v.field("idle_timeout").present() {
		v.remark("no idle_timeout: its tenants never go to sleep")
	}
}

// settleView settles what depends on the level of isolation.
func (s *Service) settleView(v value) {
	process := s.Isolation == IsolationProcess
	switch {
	case s.Network == "" && process:
		s.Network = NetworkHost
	case s.Network == "":
		s.Network = NetworkPrivate
	case s.Network != NetworkHost && process:
		v.field("network").fail("%q is not to be had at isolation = %q: write isolation = %q, or network = %q",
			s.Network, s.Isolation, IsolationNamespace, NetworkHost)
	}
	if s.User != "" && !process {
		v.field("user").fail("is for isolation = %q: at %q every tenant has a user of its own", IsolationProcess, s.Isolation)
	}
}

// settleArgv makes the argument list, before any placeholder is filled in.
func (s *Service) settleArgv(v value) {
	command := v.field("command")
	if !command.present() {
		command.fail("missing: what is to be run?")
		return
	}
	if raw, isText := command.raw.(string); !isText || raw != s.Command {
		return // was said when it was read
	}
	if len(s.Argv) > 0 {
		if strings.ContainsAny(s.Command, " \t") {
			command.remark("%q is run as one word, because args is given", clip(s.Command))
		}
		s.Argv = slices.Insert(s.Argv, 0, s.Command)
	} else {
		words, err := split(s.Command)
		if err != nil {
			command.fail("%v", err)
			return
		}
		s.Argv = words
	}
	switch {
	case len(s.Argv) == 0 || s.Argv[0] == "":
		command.fail("names no program")
	case strings.HasPrefix(s.Argv[0], "~/"):
		command.fail("starts with ~, which only a shell understands; write the whole path")
	}
}

func isolation(v value) (Isolation, bool) {
	if s, _ := v.raw.(string); slices.Contains(foreign, Isolation(s)) {
		return Isolation(s), true
	}
	return oneOf(levels...)(v)
}

// socket reads a template of a path; one that starts neither at the root nor in
// a directory of ours starts where the daemon works.
func socket(v value) (string, bool) {
	s, ok := path(v)
	if !ok || strings.HasPrefix(s, "{data_dir}/") || strings.HasPrefix(s, "{instance_dir}/") {
		return s, ok
	}
	return v.abs(s), true
}

func isURLPath(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return fmt.Sprintf("%q must begin with a slash", clip(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }):
		return fmt.Sprintf("%q holds a character that a URL writes as %%XX", clip(s))
	}
	return ""
}

// environment reads variables; numbers and booleans are taken as their text.
func environment(v value) (map[string]string, bool) {
	env := map[string]string{}
	for _, f := range v.table() {
		if problem := isVariable(f.name); problem != "" {
			f.fail("%s", problem)
			continue
		}
		switch f.raw.(type) {
		case string:
			env[f.name], _ = text(f)
		case int64, float64, bool:
			env[f.name] = strings.ReplaceAll(f.at.text, "_", "") // 1_000: TOML's spelling, not the app's
		default:
			f.wrong("a string, a number or a boolean")
		}
	}
	return env, true
}

// isVariable refuses what no environment can hold; apps use names with dots.
func isVariable(name string) string {
	if name == "" || strings.ContainsAny(name, "= \t\r\n\x00") {
		return fmt.Sprintf("%q cannot name a variable", clip(name))
	}
	return ""
}

func apex(v value) (string, bool) {
	s, ok := text(v)
	if !ok {
		return "", false
	}
	id, err := Name(s)
	if err != nil {
		v.fail("neither weighted, none nor an id: %v", err)
	}
	return id, err == nil
}

func createOnRequest(v value) (CreateOnRequest, bool) {
	if b, isBool := v.raw.(bool); isBool {
		return map[bool]CreateOnRequest{true: CreateAlways, false: CreateNever}[b], true
	}
	return oneOf(CreateAuto, CreateAlways, CreateNever)(v)
}

// cpuShares reads the original's shares into the kernel's range of cpu.weight.
func cpuShares(v value) (int, bool) {
	const least, most = 1, 10000
	n, ok := whole[int](0, 1<<31)(v)
	clamped := max(least, min(most, n))
	if ok && clamped != n {
		v.remark("%d is taken as %d: the kernel knows %d to %d", n, clamped, least, most)
	}
	return clamped, ok
}

// mount reads [source, destination, readonly].
func mount(v value) (Mount, bool) {
	parts := v.elems()
	if len(parts) != 3 {
		v.fail(`must be [source, destination, readonly], like ["/srv/assets", "/assets", true]`)
		return Mount{}, false
	}
	source, okSource := absolute(parts[0])
	destination, okDestination := checked(path, isAbsolute)(parts[1])
	readOnly, okReadOnly := boolean(parts[2])
	return Mount{Source: source, Destination: destination, ReadOnly: readOnly}, okSource && okDestination && okReadOnly
}

func isUser(s string) string {
	if s == "" || strings.ContainsAny(s, ": \t\r\n\x00/") {
		return fmt.Sprintf("%q is neither the name of a user nor a number", clip(s))
	}
	return ""
}

func isAbsolute(p string) string {
	if !filepath.IsAbs(p) {
		return fmt.Sprintf("%q must begin with a slash", clip(p))
	}
	return ""
}
