package conf

import (
	"net/netip"
	"time"
)

// Config is one tenement.toml, parsed and checked. It never changes after Load.
type Config struct {
	Path      string // the file it was read from, absolute
	Settings  Settings
	Services  map[string]*Service
	Instances []Instance // [instances], in the order of the file: started at boot
	Routing   Routing
	Remarks   []Remark // what is allowed but worth saying: ignored keys, no idle_timeout
}

// Remark is a warning with its place in the file.
type Remark struct {
	Line int // 1-based; 0 when there is no single line
	Text string
}

// Settings is the [settings] block.
type Settings struct {
	DataDir             string   // absolute
	RunDir              string   // "" = the default place, see cmd/ten
	Bind                []string // IP addresses and "unix:/path"; nil = what systemd passes, else 0.0.0.0 and [::]
	HealthCheckInterval time.Duration
	MaxRestarts         int
	RestartWindow       time.Duration
	BackoffBase         time.Duration // 0 = restart at once, always
	BackoffMax          time.Duration
	CircuitCooldown     time.Duration // 0 = the next request is the one try
	QueueTimeout        time.Duration
	MaxAwake            int      // 0 = no limit
	MaxConcurrentStarts int      // default 2 x cores
	TrustedProxies      []string // CIDRs, addresses or "unix", checked
	LogMaxBytes         int64    // per tenant
	UIDBase             uint32
	Webhook             string       // URL that is told of what goes wrong; "" = none
	WebhookSecretFile   string       // key of its signatures; "" = unsigned
	RunscPath           string       // gVisor's program, absolute; "" = runsc in the PATH
	PrivateNetwork      netip.Prefix // IPv4; tenants' addresses are taken from a /16 of it
	TLS                 TLS
	Clients             Clients
	AccessLogFile       string // absolute, or Stdout
}

// TLS is [settings.tls] (or tls.* keys).
type TLS struct {
	Enabled          bool
	ACME             bool // certificates come from a certificate authority
	ACMEEmail        string
	ACMEDirectory    string // its URL; "" = Let's Encrypt
	ACMECARoot       string // PEM file of who is trusted to be it, absolute; "" = the system's roots
	ACMEWeeklyBudget int    // names that may get their first certificate in seven days
	Domain           string
	CacheDir         string // absolute
	DNSProvider      string
	DNSHook          []string // argv, without what is added to it; nil = no wildcards
	DNSHookTimeout   time.Duration
	Staging          bool
	Certificates     []Certificate // of files
	HSTSMaxAge       time.Duration // 0 = no Strict-Transport-Security
	HTTPSPort        int
	HTTPPort         int
}

// Certificate is one entry of tls.certificates: two files in PEM.
type Certificate struct {
	CertFile string // absolute; the leaf first, then the intermediates
	KeyFile  string // absolute
}

// Routing is the [routing] block.
type Routing struct {
	Subdomain map[string]string // label -> service, before a service of that name
	Default   string            // service that serves DOMAIN itself; "" = none
	Path      map[string]string // path prefix -> service
}

// Isolation is the level a service asks for.
type Isolation string

// The levels, from the host's own view to a kernel of its own.
const (
	IsolationProcess   Isolation = "process"
	IsolationNamespace Isolation = "namespace"
	IsolationSandbox   Isolation = "sandbox"
)

// Network says which network a tenant lives in.
type Network string

// Private is a loopback of its own with a way out, none a loopback of its own
// without, host the host's own network.
const (
	NetworkPrivate Network = "private"
	NetworkNone    Network = "none"
	NetworkHost    Network = "host"
)

// Restart says when a tenant whose process ended by itself is started again.
type Restart string

// The restart policies.
const (
	RestartAlways    Restart = "always"
	RestartOnFailure Restart = "on-failure"
	RestartNever     Restart = "never"
)

// Listen says where a tenant is expected to listen.
type Listen string

// Auto offers PORT and SOCKET_PATH, and the first that accepts wins; fd passes
// a listening socket by the systemd convention.
const (
	ListenAuto Listen = "auto"
	ListenUnix Listen = "unix"
	ListenTCP  Listen = "tcp"
	ListenFD   Listen = "fd"
)

// Apex says what S.DOMAIN serves: ApexWeighted, ApexNone, or a tenant's id.
const (
	ApexWeighted = "weighted"
	ApexNone     = "none"
)

// CreateOnRequest says whether a visitor may create a tenant nobody registered.
type CreateOnRequest string

// Auto means: under a localhost domain only.
const (
	CreateAuto   CreateOnRequest = "auto"
	CreateAlways CreateOnRequest = "true"
	CreateNever  CreateOnRequest = "false"
)

// StorageFull says what becomes of a tenant that has used up its storage quota
// where the file system does not refuse its writes.
type StorageFull string

// Warn is said in the log, ps and why; stop puts the tenant to sleep, and keeps
// it so until it holds less.
const (
	StorageFullWarn StorageFull = "warn"
	StorageFullStop StorageFull = "stop"
)

// DefaultPidsLimit is the limit of processes and threads that a service has
// without asking: few apps need 50, and a fork bomb wants all there are.
const DefaultPidsLimit = 256

// Service is one [service.NAME] block. Argv, Env, Socket, Workdir,
// BeforeStart, AfterStop, EnvFile and the paths of Secrets are templates: see Expand.
type Service struct {
	Name            string
	Line            int      // of its header in the file
	Refused         string   // not empty: why it cannot run here (an isolation of the original's)
	Command         string   // as written, for `ten config`
	Argv            []string // already split; {...} not yet interpolated
	Isolation       Isolation
	Network         Network
	HostPorts       []uint16         // ports of the host's loopback that appear on the tenant's
	Allow           []netip.AddrPort // TCP, beside the internet
	User            string           // name or number of who runs at process; "" = the daemon's user
	Socket          string           // absolute once expanded; "" = the default place
	Health          string           // path, "" = none
	Env             map[string]string
	PassEnv         []string
	Workdir         string // "" = the daemon's
	Restart         Restart
	IdleTimeout     time.Duration // 0 = never
	StartupTimeout  time.Duration
	RequestTimeout  time.Duration
	Apex            string
	Listen          Listen
	CreateOnRequest CreateOnRequest
	MemoryLimitMB   int     // 0 = none
	CPUShares       int     // a cpu.weight, 1 to 10000; 0 = none
	CPULimit        float64 // cores; 0 = none
	PidsLimit       int     // processes and threads
	IOWeight        int     // 1 to 10000; 0 = none
	OpenFiles       int     // of each process; 0 = the daemon's own limit
	StorageQuotaMB  int     // 0 = none
	StorageFull     StorageFull
	StoragePersist  bool
	EnvFile         string            // absolute; {name} and {id} allowed; "" = none
	Secrets         map[string]string // name -> absolute path, {name} and {id} allowed
	Mounts          []Mount
	Rootfs          string   // absolute; "" = the host's
	BeforeStart     []string // argv of what runs before each process; nil = nothing
	AfterStop       []string // argv of what runs after each process; nil = nothing
	HookTimeout     time.Duration
	Releases        map[string]*Service // the service as each release has it; nil in those, see At
	Front           Front
}

// Mount is one entry of a service's mounts.
type Mount struct {
	Source      string // absolute
	Destination string // absolute
	ReadOnly    bool
}
