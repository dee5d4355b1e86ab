package conf

import (
	"math"
	"net/netip"
	"runtime"
	"time"
)

// key declares one key of a table of tenement.toml.
type key[T any] struct {
	name    string
	initial func(*T)        // sets the default
	read    func(*T, value) // reads, checks and stores what the file says
	compare func(old, next *T, in string) []Difference
}

// row is a key that reads one value into one field.
func row[T, V any](name string, read reader[V], initial V, at func(*T) *V) key[T] {
	return key[T]{
		name:    name,
		initial: func(t *T) { *at(t) = initial },
		read: func(t *T, v value) {
			if x, ok := read(v); ok {
				*at(t) = x
			}
		},
		compare: func(old, next *T, in string) []Difference { return differs(in, name, *at(old), *at(next)) },
	}
}

// table is a key that holds a table of its own.
func table[T, S any](name string, keys []key[S], at func(*T) *S) key[T] {
	return key[T]{
		name:    name,
		initial: func(t *T) { fill(value{at: &node{}, report: &report{}}, keys, at(t)) },
		read:    func(t *T, v value) { fill(v, keys, at(t)) },
		compare: func(old, next *T, in string) []Difference {
			return compareTables(keys, at(old), at(next), join(in, name))
		},
	}
}

// ignored is a key of the original's that has no meaning here.
func ignored[T any](name string) key[T] {
	return key[T]{
		name:    name,
		initial: func(*T) {},
		read:    func(_ *T, v value) { v.remark("ignored: it belongs to a level that does not exist here") },
		compare: func(_, _ *T, _ string) []Difference { return nil },
	}
}

// fill reads a table, absent ones too: then all is default.
func fill[T any](v value, keys []key[T], into *T) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
		k.initial(into)
		if f := v.field(k.name); f.present() {
			k.read(into, f)
		}
	}
	v.known(names)
}

// instant is the shortest time that is a limit and not a switch: 0 seconds
// would end every request before it began.
const instant = 0.001

var settingsKeys = append([]key[Settings]{
	// Beside the file that the operator is looking at.
	row("data_dir", absolute, "", func(s *Settings) *string { return &s.DataDir }),
	// Depends on the user and on systemd: cmd/ten finds it.
	row("run_dir", checked(absolute, fitsSockets), "", func(s *Settings) *string { return &s.RunDir }),
	// Every address of both families, or what systemd passes.
	row("bind", oneOrMore(bind), nil, func(s *Settings) *[]string { return &s.Bind }),
	// Three misses, half a minute, and a hung tenant is restarted.
	row("health_check_interval", seconds(instant), 10*time.Second, func(s *Settings) *time.Duration { return &s.HealthCheckInterval }),
	// A deploy that crashes at once has failed within seconds; a leak that kills
	// a tenant every hour never adds up to it.
	row("max_restarts", whole[int](0, math.MaxInt32), 3, func(s *Settings) *int { return &s.MaxRestarts }),
	row("restart_window", seconds(instant), 300*time.Second, func(s *Settings) *time.Duration { return &s.RestartWindow }),
	// 0, 1, 2, 4 … s: the first restart is free, a minute is what a visitor bears.
	row("backoff_base_ms", milliseconds(0), time.Second, func(s *Settings) *time.Duration { return &s.BackoffBase }),
	row("backoff_max_ms", milliseconds(0), time.Minute, func(s *Settings) *time.Duration { return &s.BackoffMax }),
	// backoff_max_ms, see settle: one try costs no more than a restart would.
	row("circuit_cooldown", seconds(0), 0, func(s *Settings) *time.Duration { return &s.CircuitCooldown }),
	// What browsers and proxies in front will wait for without complaint.
	row("queue_timeout", seconds(instant), 30*time.Second, func(s *Settings) *time.Duration { return &s.QueueTimeout }),
	// No limit: only the operator knows what a tenant weighs.
	row("max_awake", whole[int](0, math.MaxInt32), 0, func(s *Settings) *int { return &s.MaxAwake }),
	// A start is half CPU, half waiting: two for each core keep it busy.
	row("max_concurrent_starts", whole[int](1, math.MaxInt32), 2*runtime.GOMAXPROCS(0), func(s *Settings) *int { return &s.MaxConcurrentStarts }),
	// Nobody is believed about who the client is.
	row("trusted_proxies", list(checked(text, isPeer)), nil, func(s *Settings) *[]string { return &s.TrustedProxies }),
	// A thousand tenants fill 8 GB at worst, and a week of an ordinary one fits.
	row("log_max_mb", megabytes(1, 1<<20), 8<<20, func(s *Settings) *int64 { return &s.LogMaxBytes }),
	// Clear of people (1000…), of what systemd gives out and of subuid. The lower
	// bound keeps out of the system's own accounts, the upper leaves a million.
	row("uid_base", whole[uint32](1000, math.MaxUint32-1_000_000), 1_900_000_000, func(s *Settings) *uint32 { return &s.UIDBase }),
	// In the PATH, where its packages put it.
	row("runsc_path", absolute, "", func(s *Settings) *string { return &s.RunscPath }),
	// A daemon takes the first free /16 of it, so that sixteen find one.
	row("private_network", privateNetwork, defaultPrivate, func(s *Settings) *netip.Prefix { return &s.PrivateNetwork }),
	// Nobody is told: `ten events` and the log have it.
	row("webhook", checked(text, isWebhook), "", func(s *Settings) *string { return &s.Webhook }),
	// Unsigned: the URL itself is a secret with most receivers.
	row("webhook_secret_file", absolute, "", func(s *Settings) *string { return &s.WebhookSecretFile }),
	table("tls", tlsKeys, func(s *Settings) *TLS { return &s.TLS }),
}, clientKeys...)

var tlsKeys = []key[TLS]{
	// It needs a domain and an address for the certificate authority.
	row("enabled", boolean, false, func(t *TLS) *bool { return &t.Enabled }),
	row("acme_email", text, "", func(t *TLS) *string { return &t.ACMEEmail }),
	row("domain", text, "", func(t *TLS) *string { return &t.Domain }),
	// acme under the data directory, see settle: it is backed up with the rest.
	row("cache_dir", absolute, "", func(t *TLS) *string { return &t.CacheDir }),
	// The original's modules for providers do not exist here: dns_hook is any of them.
	row("dns_provider", text, "", func(t *TLS) *string { return &t.DNSProvider }),
	// Without one, every name has a certificate of its own.
	row("dns_hook", command, nil, func(t *TLS) *[]string { return &t.DNSHook }),
	// What slow providers take until all their servers have a record.
	row("dns_hook_timeout", seconds(instant), 2*time.Minute, func(t *TLS) *time.Duration { return &t.DNSHookTimeout }),
	// On, unless there are certificates of one's own; see settle.
	row("acme", boolean, true, func(t *TLS) *bool { return &t.ACME }),
	// Let's Encrypt's, or with staging its other one: cmd/ten knows them.
	row("acme_directory", checked(text, isHTTPS), "", func(t *TLS) *string { return &t.ACMEDirectory }),
	// The roots of the system.
	row("acme_ca_root", absolute, "", func(t *TLS) *string { return &t.ACMECARoot }),
	// Let's Encrypt gives 50 a week below one registered domain; some are for us.
	row("acme_weekly_budget", whole[int](0, math.MaxInt32), 40, func(t *TLS) *int { return &t.ACMEWeeklyBudget }),
	// A staging certificate frightens every visitor.
	row("staging", boolean, false, func(t *TLS) *bool { return &t.Staging }),
	// Certificates of one's own; then nobody is asked for any, unless acme says so.
	row("certificates", list(certificate), nil, func(t *TLS) *[]Certificate { return &t.Certificates }),
	// Let browsers forget: who sends it cannot go back to plain HTTP for so long.
	row("hsts_max_age", seconds(0), 0, func(t *TLS) *time.Duration { return &t.HSTSMaxAge }),
	// The ports that URLs leave out.
	row("https_port", whole[int](1, 65535), 443, func(t *TLS) *int { return &t.HTTPSPort }),
	row("http_port", whole[int](1, 65535), 80, func(t *TLS) *int { return &t.HTTPPort }),
}

var serviceKeys = append([]key[Service]{
	row("command", text, "", func(s *Service) *string { return &s.Command }),
	row("args", list(text), nil, func(s *Service) *[]string { return &s.Argv }), // settle puts the command in front
	// Tenants are strangers to each other.
	row("isolation", isolation, IsolationNamespace, func(s *Service) *Isolation { return &s.Isolation }),
	// settle: host at process, which has no other, private elsewhere.
	row("network", oneOf(NetworkPrivate, NetworkNone, NetworkHost), "", func(s *Service) *Network { return &s.Network }),
	// Nothing of the host's, and nothing but the internet.
	row("host_ports", list(hostPort), nil, func(s *Service) *[]uint16 { return &s.HostPorts }),
	row("allow", list(allowed), nil, func(s *Service) *[]netip.AddrPort { return &s.Allow }),
	// At process only: elsewhere every tenant has a user of its own.
	row("user", checked(text, isUser), "", func(s *Service) *string { return &s.User }),
	row("socket", socket, "", func(s *Service) *string { return &s.Socket }),
	// Nothing that connects to an app is harmless to all of them.
	row("health", checked(text, isURLPath), "", func(s *Service) *string { return &s.Health }),
	row("env", environment, nil, func(s *Service) *map[string]string { return &s.Env }),
	// The daemon's secrets are not the tenants'.
	row("pass_env", list(checked(text, isVariable)), nil, func(s *Service) *[]string { return &s.PassEnv }),
	row("workdir", path, "", func(s *Service) *string { return &s.Workdir }),
	// Who exits with 0 meant to.
	row("restart", oneOf(RestartAlways, RestartOnFailure, RestartNever), RestartOnFailure, func(s *Service) *Restart { return &s.Restart }),
	// Never, as in the original; settle remarks on it.
	row("idle_timeout", seconds(0), 0, func(s *Service) *time.Duration { return &s.IdleTimeout }),
	// The slowest of 27 real apps took 6 s on a small machine.
	row("startup_timeout", seconds(instant), 10*time.Second, func(s *Service) *time.Duration { return &s.StartupTimeout }),
	// Until the head of the response: reports are slow, hung apps are slower.
	row("request_timeout", seconds(instant), 30*time.Second, func(s *Service) *time.Duration { return &s.RequestTimeout }),
	// As in the original.
	row("apex", apex, ApexWeighted, func(s *Service) *string { return &s.Apex }),
	// Works for every app that reads either variable.
	row("listen", oneOf(ListenAuto, ListenUnix, ListenTCP, ListenFD), ListenAuto, func(s *Service) *Listen { return &s.Listen }),
	// Comfort on a developer's machine, no strangers on a server.
	row("create_on_request", createOnRequest, CreateAuto, func(s *Service) *CreateOnRequest { return &s.CreateOnRequest }),
	// No limits but those of the host. Up to a petabyte, so that bytes fit.
	row("memory_limit_mb", whole[int](1, 1<<30), 0, func(s *Service) *int { return &s.MemoryLimitMB }),
	row("cpu_shares", cpuShares, 0, func(s *Service) *int { return &s.CPUShares }),
	// A thousandth of the shortest period that the kernel schedules by is no time.
	row("cpu_limit", number(0.01, 1024, "cores"), 0, func(s *Service) *float64 { return &s.CPULimit }),
	// Four are the app, what starts it and what the enclosure needs.
	row("pids_limit", whole[int](4, 1<<22), DefaultPidsLimit, func(s *Service) *int { return &s.PidsLimit }),
	row("io_weight", whole[int](1, 10000), 0, func(s *Service) *int { return &s.IOWeight }),
	// The daemon's own, as any process of the host has it. Fewer than 16 do not
	// hold a start; 2^20 is the kernel's fs.nr_open.
	row("open_files", whole[int](16, 1<<20), 0, func(s *Service) *int { return &s.OpenFiles }),
	row("storage_quota_mb", whole[int](1, 1<<30), 0, func(s *Service) *int { return &s.StorageQuotaMB }),
	// An app that is stopped loses its visitors; one that is full may still read.
	row("storage_full", oneOf(StorageFullWarn, StorageFullStop), StorageFullWarn, func(s *Service) *StorageFull { return &s.StorageFull }),
	// Losing data is what one has to ask for.
	row("storage_persist", boolean, true, func(s *Service) *bool { return &s.StoragePersist }),
	row("env_file", secretPath, "", func(s *Service) *string { return &s.EnvFile }),
	row("secrets", secrets, nil, func(s *Service) *map[string]string { return &s.Secrets }),
	row("mounts", list(mount), nil, func(s *Service) *[]Mount { return &s.Mounts }),
	row("rootfs", absolute, "", func(s *Service) *string { return &s.Rootfs }),
	// A migration, a backup; most apps do theirs by themselves.
	row("before_start", command, nil, func(s *Service) *[]string { return &s.BeforeStart }),
	row("after_stop", command, nil, func(s *Service) *[]string { return &s.AfterStop }),
	// A migration that takes longer wants a person beside it.
	row("hook_timeout", seconds(instant), time.Minute, func(s *Service) *time.Duration { return &s.HookTimeout }),
	releases,
	ignored[Service]("memory_mb"),
	ignored[Service]("vcpus"),
	ignored[Service]("vsock_port"),
	ignored[Service]("kernel"),
	ignored[Service]("image"),
}, frontKeys...)
