package conf

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// mustParse is Parse for files that have nothing wrong.
func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("tenement.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// wd is the working directory, which the package never changes.
func wd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestParse_DefaultsAreThoseOfTheContract(t *testing.T) {
	c := mustParse(t, "[service.notes]\ncommand = 'app'")
	data := filepath.Join(wd(t), "tenement-data")
	same(t, c.Path, filepath.Join(wd(t), "tenement.toml"))
	same(t, c.Settings, Settings{
		DataDir: data, HealthCheckInterval: 10 * time.Second,
		MaxRestarts: 3, RestartWindow: 300 * time.Second,
		BackoffBase: time.Second, BackoffMax: time.Minute, CircuitCooldown: time.Minute,
		QueueTimeout: 30 * time.Second, MaxConcurrentStarts: 2 * runtime.GOMAXPROCS(0),
		LogMaxBytes: 8 << 20, UIDBase: 1900000000, PrivateNetwork: netip.MustParsePrefix("10.208.0.0/12"),
		TLS: TLS{CacheDir: filepath.Join(data, "acme"), HTTPSPort: 443, HTTPPort: 80,
			ACME: true, ACMEWeeklyBudget: 40, DNSHookTimeout: 2 * time.Minute},
		Clients: DefaultClients(), AccessLogFile: Stdout,
	})
	same(t, c.Services, map[string]*Service{"notes": {
		Name: "notes", Line: 1, Command: "app", Argv: []string{"app"},
		Isolation: IsolationNamespace, Network: NetworkPrivate, Restart: RestartOnFailure,
		StartupTimeout: 10 * time.Second, RequestTimeout: 30 * time.Second,
		Apex: ApexWeighted, Listen: ListenAuto, CreateOnRequest: CreateAuto, PidsLimit: DefaultPidsLimit, StorageFull: StorageFullWarn, StoragePersist: true, HookTimeout: time.Minute,
		Front: Front{MaxUpgrades: 1000},
	}})
	same(t, c.Instances, []Instance(nil))
	same(t, c.Routing, Routing{Subdomain: map[string]string{}, Path: map[string]string{}})
}

const everyKey = `
[settings]
data_dir = "/var/lib/../lib/tenement"
run_dir = "run"
bind = ["127.0.0.1", "unix:run/edge.sock"]
health_check_interval = 2.5
max_restarts = 0
restart_window = 60
backoff_base_ms = 0
backoff_max_ms = 500.5
circuit_cooldown = 0
queue_timeout = 5
max_awake = 100
max_concurrent_starts = 1
trusted_proxies = ["10.1.2.3/8", "::1", "fe80::1%eth0", "unix"]
log_max_mb = 1
uid_base = 70_000
private_network = "172.20.0.0/14"
tls.enabled = true
tls.acme_email = "me@example.com"
tls.domain = "example.com"
tls.cache_dir = "certs"
tls.dns_provider = "cloudflare"
tls.staging = true
tls.https_port = 8443
tls.http_port = 8080
tls.certificates = [["site.pem", "/etc/site.key"]]
tls.hsts_max_age = 600
tls.dns_hook = "/bin/dns 'a b'"
tls.dns_hook_timeout = 5
tls.acme = true
tls.acme_directory = "https://ca.test/dir"
tls.acme_ca_root = "ca.pem"
tls.acme_weekly_budget = 3

[service.Notes]
command = "/usr/bin/python 3"
args = ["-m", "http.server", "{port}", "a b"]
isolation = "process"
network = "host"
host_ports = [5432, 6379]
user = "www-data"
socket = "sock/{name}-{id}"
health = "/health?full=1"
workdir = "{instance_dir}"
restart = "always"
idle_timeout = 0.5
startup_timeout = 1
request_timeout = 2
apex = "Alice"
listen = "auto"
create_on_request = true
pass_env = ["SECRET"]
memory_limit_mb = 256
cpu_shares = 100
cpu_limit = 1.5
pids_limit = 64
io_weight = 50
open_files = 512
storage_quota_mb = 1024
storage_full = "stop"
env_file = "{id}.env"
secrets = {DB_KEY = "/etc/{name}/key"}
storage_persist = false
mounts = [["assets", "/assets", true], ["/a/../b", "/c", false]]
rootfs = "root"
before_start = "./migrate {id}"
after_stop = "./backup 'a b'"
hook_timeout = 5
release = {}
[service.Notes.env]
PLAIN = "x {id}"
WHOLE = 1_000
HEX = 0x1F
VERSION = 1.10 # not 1.1
"spring.debug" = true

[service.old]
command = "sh -c 'exec app --color \"#fff\"' # no comment"
args = []
isolation = "firecracker"
idle_timeout = 0
create_on_request = false

[service.third]
command = "x"
allow = ["10.0.0.5:5432"]
idle_timeout = 1
create_on_request = "false"
socket = "{data_dir}/{name}.sock"

[instances]
old = ["z", "b"]
NOTES = ["Alice"]

[routing]
default = "NOTES"
[routing.subdomain]
WWW = "old"
[routing.path]
"/shop" = "notes"
`

func TestParse_EveryKeyIsUnderstood(t *testing.T) {
	c := mustParse(t, everyKey)
	same(t, c.Settings, Settings{
		DataDir: "/var/lib/tenement", RunDir: filepath.Join(wd(t), "run"), Bind: []string{"127.0.0.1", "unix:" + filepath.Join(wd(t), "run/edge.sock")},
		HealthCheckInterval: 2500 * time.Millisecond, RestartWindow: time.Minute,
		BackoffMax: 500500 * time.Microsecond, QueueTimeout: 5 * time.Second,
		MaxAwake: 100, MaxConcurrentStarts: 1, TrustedProxies: []string{"10.1.2.3/8", "::1", "fe80::1%eth0", "unix"},
		LogMaxBytes: 1 << 20, UIDBase: 70000, PrivateNetwork: netip.MustParsePrefix("172.20.0.0/14"),
		TLS: TLS{Enabled: true, ACMEEmail: "me@example.com", Domain: "example.com", CacheDir: filepath.Join(wd(t), "certs"),
			DNSProvider: "cloudflare", Staging: true, HTTPSPort: 8443, HTTPPort: 8080,
			Certificates: []Certificate{{filepath.Join(wd(t), "site.pem"), "/etc/site.key"}}, HSTSMaxAge: 10 * time.Minute,
			DNSHook: []string{"/bin/dns", "a b"}, DNSHookTimeout: 5 * time.Second, ACME: true, ACMEDirectory: "https://ca.test/dir",
			ACMECARoot: filepath.Join(wd(t), "ca.pem"), ACMEWeeklyBudget: 3},
		Clients: DefaultClients(), AccessLogFile: Stdout,
	})
	same(t, *c.Services["notes"], Service{
		Name: "notes", Line: 36, Command: "/usr/bin/python 3",
		Argv:      []string{"/usr/bin/python 3", "-m", "http.server", "{port}", "a b"},
		Isolation: IsolationProcess, Network: NetworkHost, HostPorts: []uint16{5432, 6379}, User: "www-data", Socket: filepath.Join(wd(t), "sock/{name}-{id}"), Health: "/health?full=1",
		Env:     map[string]string{"PLAIN": "x {id}", "WHOLE": "1000", "HEX": "0x1F", "VERSION": "1.10", "spring.debug": "true"},
		PassEnv: []string{"SECRET"}, Workdir: "{instance_dir}", Restart: RestartAlways,
		IdleTimeout: 500 * time.Millisecond, StartupTimeout: time.Second, RequestTimeout: 2 * time.Second,
		Apex: "alice", Listen: ListenAuto, CreateOnRequest: CreateAlways,
		MemoryLimitMB: 256, CPUShares: 100, CPULimit: 1.5, PidsLimit: 64, IOWeight: 50, OpenFiles: 512,
		StorageQuotaMB: 1024, StorageFull: StorageFullStop,
		EnvFile: filepath.Join(wd(t), "{id}.env"), Secrets: map[string]string{"DB_KEY": "/etc/{name}/key"},
		Mounts: []Mount{{filepath.Join(wd(t), "assets"), "/assets", true}, {"/b", "/c", false}},
		Rootfs: filepath.Join(wd(t), "root"), BeforeStart: []string{"./migrate", "{id}"}, AfterStop: []string{"./backup", "a b"}, HookTimeout: 5 * time.Second,
		Front: Front{MaxUpgrades: 1000},
	})
	same(t, c.Services["old"].Argv, []string{"sh", "-c", `exec app --color "#fff"`, "#", "no", "comment"})
	same(t, c.Services["old"].CreateOnRequest, CreateNever)
	same(t, c.Services["third"].CreateOnRequest, CreateNever)
	same(t, c.Services["third"].Allow, []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:5432")})
	same(t, c.Services["third"].Socket, "{data_dir}/{name}.sock")
	same(t, c.Instances, []Instance{{"old", "z"}, {"old", "b"}, {"notes", "alice"}})
	same(t, c.Routing, Routing{Subdomain: map[string]string{"www": "old"}, Default: "notes", Path: map[string]string{"/shop": "notes"}})
	same(t, c.ServiceNames(), []string{"notes", "old", "third"})
}

func TestParse_TLSMayBeATableOrDottedKeys(t *testing.T) {
	for _, text := range []string{
		"[settings.tls]\nstaging = true", "[settings]\ntls.staging = true",
		"[settings]\ntls = { staging = true }", "settings.tls.staging = true",
	} {
		got := mustParse(t, text).Settings.TLS
		if !got.Staging || got.HTTPSPort != 443 {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestParse_CooldownFollowsTheLongestBackoff(t *testing.T) {
	same(t, mustParse(t, "[settings]\nbackoff_max_ms = 5000").Settings.CircuitCooldown, 5*time.Second)
}

func TestParse_ASocketCannotBePassedIntoASandbox(t *testing.T) {
	for listen, want := range map[string]string{
		"fd":   `listen = "fd" cannot be had with isolation = "sandbox", as gVisor accepts on no socket that was passed in: write listen = "unix"`,
		"unix": "", "tcp": "", "auto": "",
	} {
		c := mustParse(t, "[service.s]\ncommand = \"x\"\nisolation = \"sandbox\"\nlisten = \""+listen+"\"\n")
		same(t, c.Services["s"].Refused, want)
	}
	same(t, mustParse(t, "[service.s]\ncommand = \"x\"\nlisten = \"fd\"\n").Services["s"].Refused, "")
}

func TestParse_ForeignIsolationIsRefusedForThatServiceAlone(t *testing.T) {
	for _, level := range []string{"firecracker", "qemu", "litebox", "quark"} {
		c := mustParse(t, ok+"[service.vm]\ncommand = 'x'\nisolation = '"+level+"'")
		same(t, c.Services["vm"].Refused, `isolation "`+level+`" does not exist here: choose process, namespace or sandbox`)
		same(t, c.Services["ok"].Refused, "")
	}
}

func TestConfig_WithDataDirMovesWhatFollowsIt(t *testing.T) {
	c := mustParse(t, "")
	moved, err := c.WithDataDir("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	same(t, moved.Settings.DataDir, filepath.Join(wd(t), "elsewhere"))
	same(t, moved.Settings.TLS.CacheDir, filepath.Join(wd(t), "elsewhere/acme"))
	same(t, c.Settings.DataDir, filepath.Join(wd(t), "tenement-data"))

	c = mustParse(t, "[settings]\ntls.cache_dir = '/certs'")
	if moved, err = c.WithDataDir("/elsewhere"); err != nil {
		t.Fatal(err)
	}
	same(t, moved.Settings.TLS.CacheDir, "/certs")

	for _, dir := range []string{"", "~/data"} {
		if _, err := c.WithDataDir(dir); err == nil || !strings.Contains(err.Error(), "data_dir") {
			t.Errorf("%q: got %v, want a refusal that names data_dir", dir, err)
		}
	}
}

func TestSettings_TrustedPrefixesAreNetworks(t *testing.T) {
	s := mustParse(t, everyKey).Settings
	prefixes, unix := s.TrustedPrefixes()
	same(t, unix, true)
	same(t, prefixes, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::1/128"),
	})
}
