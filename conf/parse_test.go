package conf

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// ok is a service without any problem or remark, for files about something else.
const ok = "[service.ok]\ncommand = 'app'\nidle_timeout = 60\n"

// in puts lines into a service; the first of them is line 4.
func in(lines string) string {
	return "[service.notes]\ncommand = 'app'\nidle_timeout = 60\n" + lines + "\n"
}

func TestParse_NamesEveryProblemWithItsLine(t *testing.T) {
	long := strings.Repeat("x", 120)
	tests := []struct{ name, toml, want string }{
		// The document.
		{"broken TOML", "\n[service", `t:2: expected '.' or ']' to end table name, but got '\x00' instead`},
		{"a key twice", "[settings]\nbind = '::'\nbind = '::'", "t:3: Key 'settings.bind' has already been defined."},
		{"a number too big", "[settings]\nmax_awake = 99999999999999999999", "t:2: 99999999999999999999 is out of range for int64"},
		{"not UTF-8", "a = '\xff'", "t:1: invalid UTF-8 byte: 0xff"},
		{"nested without end", "\na = " + strings.Repeat("[", 99), "t:2: nested more than 16 levels deep"},
		{"too long", strings.Repeat("#", 1<<20+1), "t:1: is 1048577 bytes long: at most 1048576 are read"},
		{"several at once", "[service.a]\nrestart = 1\n[settings]\nbind = 1",
			"t:1: service.a.command: missing: what is to be run?\n" +
				"t:2: service.a.restart: must be a string, not a whole number\n" +
				"t:4: settings.bind: must be a string, not a whole number"},

		// Keys that do not exist.
		{"unknown table", "[setings]\nx = 1", `t:1: setings: unknown key; did you mean "settings"?`},
		{"unknown top key", "data_dir = '/x'", `t:1: data_dir: unknown key`},
		{"unknown setting", "[settings]\n\nmax_awoke = 1", `t:3: settings.max_awoke: unknown key; did you mean "max_awake"?`},
		{"unknown setting of TLS", "[settings]\ntls.stagin = true", `t:2: settings.tls.stagin: unknown key; did you mean "staging"?`},
		{"unknown key of a service", in("comand = 'x'"), `t:4: service.notes.comand: unknown key; did you mean "command"?`},
		{"with a hyphen", in("idle-timeout = 3"), `t:4: service.notes.idle-timeout: unknown key; did you mean "idle_timeout"?`},
		{"unknown and far", in("'wer weiß' = 3"), `t:4: service.notes."wer weiß": unknown key`},
		{"unknown in routing", "[routing]\ndefalt = 'x'", `t:2: routing.defalt: unknown key; did you mean "default"?`},

		// Types.
		{"settings is no table", "settings = 3", "t:1: settings: must be a table, not a whole number"},
		{"service is no table", "service = 'x'", "t:1: service: must be a table, not a string"},
		{"one service is no table", "service.a = true", "t:1: service.a: must be a table, not a boolean\nt:1: service.a.command: missing: what is to be run?"},
		{"services as an array", "[[service]]\nname = 'a'", "t:1: service: must be a table, not an array"},
		{"instances is no table", "instances = 1.5", "t:1: instances: must be a table, not a decimal number"},
		{"routing is no table", "routing = 1979-05-27", "t:1: routing: must be a table, not a date or time"},
		{"tls is no table", "[settings]\ntls = true", "t:2: settings.tls: must be a table, not a boolean"},
		{"a flag is no boolean", in("storage_persist = 'no'"), "t:4: service.notes.storage_persist: must be true or false, not a string"},
		{"a count has a fraction", "[settings]\nmax_restarts = 3.0", "t:2: settings.max_restarts: must be a whole number, not a decimal number"},
		{"a duration is text", in("startup_timeout = '10s'"), "t:4: service.notes.startup_timeout: must be a number of seconds, not a string"},
		{"milliseconds are text", "[settings]\nbackoff_base_ms = '1s'", "t:2: settings.backoff_base_ms: must be a number of milliseconds, not a string"},
		{"a list is text", in("args = '-v'"), "t:4: service.notes.args: must be an array, not a string"},
		{"an element is a number", in("args = [\n'-p',\n80,\n]"), "t:6: service.notes.args[1]: must be a string, not a whole number"},
		{"an element is a table", in("[[service.notes.args]]"), "t:4: service.notes.args[0]: must be a string, not a table"},
		{"an enum is a number", in("listen = 1"), "t:4: service.notes.listen: must be a string, not a whole number"},
		{"NUL", in(`workdir = "/a\u0000b"`), `t:4: service.notes.workdir: "/a\x00b" contains a NUL byte`},

		// Ranges.
		{"max_restarts", "[settings]\nmax_restarts = -1", "t:2: settings.max_restarts: must be at least 0, not -1"},
		{"max_awake", "[settings]\nmax_awake = 2147483648", "t:2: settings.max_awake: must be at most 2147483647, not 2147483648"},
		{"max_concurrent_starts", "[settings]\nmax_concurrent_starts = 0", "t:2: settings.max_concurrent_starts: must be at least 1, not 0"},
		{"log_max_mb", "[settings]\nlog_max_mb = 0", "t:2: settings.log_max_mb: must be at least 1, not 0"},
		{"uid_base low", "[settings]\nuid_base = 0", "t:2: settings.uid_base: must be at least 1000, not 0"},
		{"uid_base high", "[settings]\nuid_base = 4294967295", "t:2: settings.uid_base: must be at most 4293967295, not 4294967295"},
		{"health_check_interval", "[settings]\nhealth_check_interval = 0", "t:2: settings.health_check_interval: must be at least 0.001 seconds, not 0"},
		{"restart_window", "[settings]\nrestart_window = 0", "t:2: settings.restart_window: must be at least 0.001 seconds, not 0"},
		{"queue_timeout", "[settings]\nqueue_timeout = 0", "t:2: settings.queue_timeout: must be at least 0.001 seconds, not 0"},
		{"circuit_cooldown", "[settings]\ncircuit_cooldown = -0.5", "t:2: settings.circuit_cooldown: must be at least 0 seconds, not -0.5"},
		{"not a number", "[settings]\nqueue_timeout = nan", "t:2: settings.queue_timeout: must be at least 0.001 seconds, not NaN"},
		{"for ever", "[settings]\nqueue_timeout = inf", "t:2: settings.queue_timeout: must be at most 315360000 seconds, not +Inf"},
		{"backoff", "[settings]\nbackoff_base_ms = 2000\nbackoff_max_ms = 1000", "t:3: settings.backoff_max_ms: must not be less than backoff_base_ms: 1000 < 2000"},
		{"backoff in the base alone", "[settings]\nbackoff_base_ms = 60001", "t:1: settings.backoff_max_ms: must not be less than backoff_base_ms: 60000 < 60001"},
		{"negative backoff", "[settings]\nbackoff_max_ms = -1\nbackoff_base_ms = 0", "t:2: settings.backoff_max_ms: must be at least 0 milliseconds, not -1"},
		{"certificates", "[settings.tls]\ncertificates = [['a'],\n['~/a', 1]]", "t:2: settings.tls.certificates[0]: must be [certificate, key], like [\"/etc/ssl/site.pem\", \"/etc/ssl/site.key\"]\n" +
			"t:3: settings.tls.certificates[1][0]: starts with ~, which only a shell understands; write the whole path\n" +
			"t:3: settings.tls.certificates[1][1]: must be a string, not a whole number"},
		{"dns_hook", "[settings.tls]\ndns_hook = ''", "t:2: settings.tls.dns_hook: names no program"},
		{"dns_hook of a shell", "[settings.tls]\ndns_hook = '~/dns'", "t:2: settings.tls.dns_hook: starts with ~, which only a shell understands; write the whole path"},
		{"dns_hook unfinished", "[settings.tls]\ndns_hook = \"dns 'x\"", "t:2: settings.tls.dns_hook: has a ' quote that is never closed"},
		{"dns_hook as a list", "[settings.tls]\ndns_hook = ['dns']", "t:2: settings.tls.dns_hook: must be a string, not an array"},
		{"dns_hook_timeout", "[settings.tls]\ndns_hook_timeout = 0", "t:2: settings.tls.dns_hook_timeout: must be at least 0.001 seconds, not 0"},
		{"acme_directory", "[settings.tls]\nacme_directory = 'http://ca.test/dir'", "t:2: settings.tls.acme_directory: \"http://ca.test/dir\" is not a URL of https"},
		{"acme_weekly_budget", "[settings.tls]\nacme_weekly_budget = -1", "t:2: settings.tls.acme_weekly_budget: must be at least 0, not -1"},
		{"port", "[settings.tls]\nhttps_port = 65536\nhttp_port = 0", "t:2: settings.tls.https_port: must be at most 65535, not 65536\nt:3: settings.tls.http_port: must be at least 1, not 0"},
		{"idle_timeout", "[service.notes]\ncommand = 'a'\nidle_timeout = -1", "t:3: service.notes.idle_timeout: must be at least 0 seconds, not -1"},
		{"startup_timeout", in("startup_timeout = 0"), "t:4: service.notes.startup_timeout: must be at least 0.001 seconds, not 0"},
		{"request_timeout", in("request_timeout = 400000000"), "t:4: service.notes.request_timeout: must be at most 315360000 seconds, not 400000000"},
		{"memory_limit_mb", in("memory_limit_mb = 0"), "t:4: service.notes.memory_limit_mb: must be at least 1, not 0"},
		{"cpu_shares", in("cpu_shares = -1"), "t:4: service.notes.cpu_shares: must be at least 0, not -1"},
		{"storage_quota_mb", in("storage_quota_mb = 1073741825"), "t:4: service.notes.storage_quota_mb: must be at most 1073741824, not 1073741825"},

		{"cpu_limit", in("cpu_limit = 0"), "t:4: service.notes.cpu_limit: must be at least 0.01 cores, not 0"},
		{"cpu_limit no number", in("cpu_limit = nan"), "t:4: service.notes.cpu_limit: must be at least 0.01 cores, not NaN"},
		{"cpu_limit too high", in("cpu_limit = 1025"), "t:4: service.notes.cpu_limit: must be at most 1024 cores, not 1025"},
		{"cpu_limit text", in("cpu_limit = '2'"), "t:4: service.notes.cpu_limit: must be a number of cores, not a string"},
		{"pids_limit", in("pids_limit = 3"), "t:4: service.notes.pids_limit: must be at least 4, not 3"},
		{"io_weight", in("io_weight = 10001"), "t:4: service.notes.io_weight: must be at most 10000, not 10001"},
		{"open_files", in("open_files = 1"), "t:4: service.notes.open_files: must be at least 16, not 1"},

		// Secrets.
		{"env_file by socket", in("env_file = '/e/{socket}'"), "t:4: service.notes.env_file: {socket} cannot stand here: a secret is found by {name} and {id} only"},
		{"env_file of the tenant's", in("env_file = '{instance_dir}/.env'"), "t:4: service.notes.env_file: {instance_dir} cannot stand here: a secret is found by {name} and {id} only"},
		{"secrets no table", in("secrets = ['a']"), "t:4: service.notes.secrets: must be a table, not an array"},
		{"secrets name", in("secrets = {'a/b' = 'x', '1' = 'y'}"),
			"t:4: service.notes.secrets.\"a/b\": \"a/b\" cannot name a secret: letters, digits and _ only, and no digit first\n" +
				"t:4: service.notes.secrets.1: \"1\" cannot name a secret: letters, digits and _ only, and no digit first"},
		{"secrets path", in("secrets.KEY = 1"), "t:4: service.notes.secrets.KEY: must be a string, not a whole number"},

		// Words.
		{"storage_full", in("storage_full = 'halt'"), `t:4: service.notes.storage_full: "halt" is none of warn, stop`},
		{"isolation", in("isolation = 'proces'"), `t:4: service.notes.isolation: "proces" is none of process, namespace, sandbox; did you mean "process"?`},
		{"network", in("network = 'bridge'"), `t:4: service.notes.network: "bridge" is none of private, none, host`},
		{"network at process", in("isolation = 'process'\nnetwork = 'none'"),
			`t:5: service.notes.network: "none" is not to be had at isolation = "process": write isolation = "namespace", or network = "host"`},
		{"user", in("isolation = 'process'\nuser = 'a:b'"), `t:5: service.notes.user: "a:b" is neither the name of a user nor a number`},
		{"user at namespace", in("user = 'www-data'"), `t:4: service.notes.user: is for isolation = "process": at "namespace" every tenant has a user of its own`},
		{"restart", in("restart = 'onfailure'"), `t:4: service.notes.restart: "onfailure" is none of always, on-failure, never; did you mean "on-failure"?`},
		{"listen", in("listen = 'udp'"), `t:4: service.notes.listen: "udp" is none of auto, unix, tcp, fd`},
		{"create_on_request", in("create_on_request = 'yes'"), `t:4: service.notes.create_on_request: "yes" is none of auto, true, false`},
		{"apex", in("apex = 'a b'"), `t:4: service.notes.apex: neither weighted, none nor an id: "a b": not a valid name: only a-z, 0-9 and, inside, - and _`},
		{"apex is a number", in("apex = 1"), `t:4: service.notes.apex: must be a string, not a whole number`},
		{"health", in("health = 'health'"), `t:4: service.notes.health: "health" must begin with a slash`},
		{"health with a newline", in(`health = "/a\r\nX: y"`), `t:4: service.notes.health: "/a\r\nX: y" holds a character that a URL writes as %XX`},
		{"bind", "[settings]\nbind = '0.0.0.0:80'", `t:2: settings.bind: "0.0.0.0:80" is neither an IP address (without a port) nor unix:/path`},
		{"bind to two", "[settings]\nbind = ['::1',\n'unix:', 'unix:~/s',\n'unix:/" + long + "', 1]",
			"t:3: settings.bind[1]: must not be empty\n" +
				"t:3: settings.bind[2]: starts with ~, which only a shell understands; write the whole path\n" +
				"t:4: settings.bind[3]: \"/" + long[1:63] + "…\" is 121 bytes long, and a socket's path has at most 107\n" +
				"t:4: settings.bind[4]: must be a string, not a whole number"},
		{"trusted_proxies", "[settings]\ntrusted_proxies = ['10.0.0.0/8', 'localhost',\n'1.2.3.4/33']",
			"t:2: settings.trusted_proxies[1]: \"localhost\" is neither an IP address, a network like 10.0.0.0/8, nor the word unix\n" +
				"t:3: settings.trusted_proxies[2]: \"1.2.3.4/33\" is neither an IP address, a network like 10.0.0.0/8, nor the word unix"},
		{"pass_env", in("pass_env = ['A=B', '']"), "t:4: service.notes.pass_env[0]: \"A=B\" cannot name a variable\nt:4: service.notes.pass_env[1]: \"\" cannot name a variable"},
		{"env name", in("env = {'A B' = 'x'}"), `t:4: service.notes.env."A B": "A B" cannot name a variable`},
		{"env value", in("[service.notes.env]\nA = []\nB = {}\nC = 07:32:00"),
			"t:5: service.notes.env.A: must be a string, a number or a boolean, not an array\n" +
				"t:6: service.notes.env.B: must be a string, a number or a boolean, not a table\n" +
				"t:7: service.notes.env.C: must be a string, a number or a boolean, not a date or time"},
		{"env value with NUL", in(`env.A = "\u0000"`), `t:4: service.notes.env.A: "\x00" contains a NUL byte`},
		{"env is no table", in("env = ['A=1']"), `t:4: service.notes.env: must be a table, not an array`},

		// Paths.
		{"data_dir of a shell", "[settings]\ndata_dir = '~/data'", "t:2: settings.data_dir: starts with ~, which only a shell understands; write the whole path"},
		{"data_dir empty", "[settings]\ndata_dir = ''", "t:2: settings.data_dir: must not be empty"},
		{"cache_dir of a shell", "[settings]\ntls.cache_dir = '~'", "t:2: settings.tls.cache_dir: starts with ~, which only a shell understands; write the whole path"},
		{"run_dir too long", "[settings]\nrun_dir = '/" + long + "'", "t:2: settings.run_dir: is 121 bytes long, more than the 84 that leave room for a socket's path"},
		{"workdir of a shell", in("workdir = '~/app'"), "t:4: service.notes.workdir: starts with ~, which only a shell understands; write the whole path"},
		{"socket of a shell", in("socket = '~/s'"), "t:4: service.notes.socket: starts with ~, which only a shell understands; write the whole path"},
		{"rootfs is a number", in("rootfs = 1"), "t:4: service.notes.rootfs: must be a string, not a whole number"},
		{"mount of two", in("mounts = [\n['/a', '/b', true],\n['/a', '/b']]"), `t:6: service.notes.mounts[1]: must be [source, destination, readonly], like ["/srv/assets", "/assets", true]`},
		{"mounts as text", in("mounts = ['/a:/b']"), `t:4: service.notes.mounts[0]: must be [source, destination, readonly], like ["/srv/assets", "/assets", true]`},
		{"mount of wrong types", in("mounts = [[1, 'b', 'ro']]"),
			"t:4: service.notes.mounts[0][0]: must be a string, not a whole number\n" +
				"t:4: service.notes.mounts[0][1]: \"b\" must begin with a slash\n" +
				"t:4: service.notes.mounts[0][2]: must be true or false, not a string"},
		{"socket too long", in("socket = '/" + long + "'"), "t:4: service.notes.socket: comes to 121 bytes even with an id of one letter: a socket's path has at most 107"},
		{"socket too long for a listed id", in("socket = '/" + long[:100] + "{id}'\n[instances]\nnotes = ['alice', 'alicia2']"),
			"t:4: service.notes.socket: comes to 108 bytes for notes:alicia2: a socket's path has at most 107"},

		// Commands and templates.
		{"no command", "[service.a]\nidle_timeout = 1\n", "t:1: service.a.command: missing: what is to be run?"},
		{"empty command", "[service.a]\ncommand = ' '", "t:2: service.a.command: names no program"},
		{"empty program", "[service.a]\ncommand = \"'' x\"", "t:2: service.a.command: names no program"},
		{"empty command with args", "[service.a]\ncommand = ''\nargs = ['x']", "t:2: service.a.command: names no program"},
		{"command is a list", "[service.a]\ncommand = ['a']", "t:2: service.a.command: must be a string, not an array"},
		{"command with NUL", "[service.a]\ncommand = \"a\\u0000\"", `t:2: service.a.command: "a\x00" contains a NUL byte`},
		{"command of a shell", "[service.a]\ncommand = '~/app -v'", "t:2: service.a.command: starts with ~, which only a shell understands; write the whole path"},
		{"open quote", "[service.a]\ncommand = \"sh -c 'x\"", "t:2: service.a.command: has a ' quote that is never closed"},
		{"open backslash", "[service.a]\ncommand = 'x \\'", "t:2: service.a.command: ends in a backslash that quotes nothing"},
		{"port without one", in("listen = 'unix'\nargs = ['-v',\n'{port}']"), `t:6: service.notes.args[1]: {port} has no value with listen = "unix"`},
		{"port with fd", in("listen = 'fd'\nenv.P = '{port}'"), `t:5: service.notes.env.P: {port} has no value with listen = "fd"`},
		{"socket with tcp", "[service.a]\ncommand = 'x {socket}'\nlisten = 'tcp'", `t:2: service.a.command: {socket} has no value with listen = "tcp"`},
		{"socket in itself", in("socket = '/run/{socket}'"), `t:4: service.notes.socket: cannot contain {socket}, which is this very path`},

		// Names.
		{"service name", ok + "[service.'a b']\ncommand = 'x'", `t:4: service."a b": "a b": not a valid name: only a-z, 0-9 and, inside, - and _`},
		{"service name with a dot", ok + "[service.a.b]\ncommand = 'x'", "t:4: service.a.b: unknown key\nt:4: service.a.command: missing: what is to be run?"},
		{"service twice", ok + "[service.OK]\ncommand = 'x'", "t:4: service.OK: the same service as that of line 1: upper and lower case are one"},
		{"instance of nothing", ok + "[instances]\nokk = ['a']", `t:5: instances.okk: there is no service "okk"; did you mean "ok"?`},
		{"instance ids", ok + "[instances]\nok = ['a',\n'-b', 3,\n'',\n'" + long + "']",
			"t:6: instances.ok[1]: \"-b\": not a valid name: only a-z, 0-9 and, inside, - and _\n" +
				"t:6: instances.ok[2]: must be a string, not a whole number\n" +
				"t:7: instances.ok[3]: \"\": not a valid name: 1 to 63 characters\n" +
				"t:8: instances.ok[4]: \"" + long[:63] + "…\": not a valid name: 1 to 63 characters"},
		{"instances as text", ok + "[instances]\nok = 'a'", "t:5: instances.ok: must be an array, not a string"},
		{"instance twice", ok + "[instances]\nok = ['a', 'b',\n'A']\n", "t:6: instances.ok[2]: ok:a is listed already, on line 5"},
		{"instance twice in two lists", ok + "[instances]\nok = ['a']\nOK = ['a']", "t:6: instances.OK[0]: ok:a is listed already, on line 5"},
		{"routing default", ok + "[routing]\ndefault = 'okay'", `t:5: routing.default: there is no service "okay"`},
		{"routing default is a number", ok + "[routing]\ndefault = 1", `t:5: routing.default: must be a string, not a whole number`},
		{"routing subdomain", ok + "[routing.subdomain]\nwww = 'no'\n'a.b' = 'ok'\nx = 'ok'\nX = 'ok'",
			"t:5: routing.subdomain.www: there is no service \"no\"\n" +
				"t:6: routing.subdomain.\"a.b\": \"a.b\": not a valid name: only a-z, 0-9 and, inside, - and _\n" +
				"t:8: routing.subdomain.X: this label is routed already: upper and lower case are one"},
		{"routing path", ok + "[routing.path]\n'/a' = 'no!'\nb = 'ok'",
			"t:5: routing.path.\"/a\": there is no service \"no!\"\n" +
				"t:6: routing.path.b: \"b\" must begin with a slash"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("t", []byte(test.toml))
			var problems Problems
			if !errors.As(err, &problems) || c != nil {
				t.Fatalf("got %v, %v, want Problems", c, err)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%s\nwant\n%s", err, test.want)
			}
		})
	}
}

// atDomain is said of the service ok where it is at DOMAIN itself.
const atDomain = "ok shares the dashboard's origin: a script of its pages can do there what a logged-in browser may; " +
	"leave DOMAIN itself to an app that you trust with that (docs/dashboard.md)"

func TestParse_RemarksOnWhatIsAllowed(t *testing.T) {
	tests := []struct{ name, toml, want string }{
		{"nothing to say", ok, ""},
		{"no services", "[settings]\n", "1: service: there is none, so there is nothing to run"},
		{"no idle_timeout", "\n[service.a]\ncommand = 'x'", "2: service.a: no idle_timeout: its tenants never go to sleep"},
		{"idle_timeout 0 is meant", "[service.a]\ncommand = 'x'\nidle_timeout = 0", ""},
		{"keys of the original", in("memory_mb = 1\nvcpus = 'x'\nvsock_port = 1\nkernel = '/k'\nimage = []"),
			"4: service.notes.memory_mb: ignored: it belongs to a level that does not exist here\n" +
				"5: service.notes.vcpus: ignored: it belongs to a level that does not exist here\n" +
				"6: service.notes.vsock_port: ignored: it belongs to a level that does not exist here\n" +
				"7: service.notes.kernel: ignored: it belongs to a level that does not exist here\n" +
				"8: service.notes.image: ignored: it belongs to a level that does not exist here"},
		{"shares", in("cpu_shares = 100000"), "4: service.notes.cpu_shares: 100000 is taken as 10000: the kernel knows 1 to 10000"},
		{"no shares", in("cpu_shares = 0"), "4: service.notes.cpu_shares: 0 is taken as 1: the kernel knows 1 to 10000"},
		{"full of nothing", in("storage_full = 'stop'"), "4: service.notes.storage_full: means nothing without storage_quota_mb"},
		{"socket with tcp", in("listen = 'tcp'\nsocket = '/s'"), `5: service.notes.socket: not used with listen = "tcp"`},
		{"socket that may not fit", in("socket = '/" + strings.Repeat("x", 50) + "{id}'"), "4: service.notes.socket: fits only while ids are short: the longest would make it 7 bytes too long"},
		{"words in one", "[service.a]\ncommand = 'python app.py'\nargs = ['-v']\nidle_timeout = 1", `2: service.a.command: "python app.py" is run as one word, because args is given`},
		{"placeholder", in("args = ['a',\n'x{prot}', '${foo} {A} {{.Name}} {\"a\":{\"b\":1}}']"),
			`5: service.notes.args[1]: {prot} is passed on as it is: it is none of {name} {id} {data_dir} {instance_dir} {socket} {port}; did you mean "port"?`},
		{"paths of ours", ok + "[routing.path]\n'/api' = 'ok'\n'/healthy' = 'ok'\n'/metrics/x' = 'ok'",
			"5: routing.path.\"/api\": tenement's own /api comes first\n" +
				"6: routing.path.\"/healthy\": " + atDomain + "\n" +
				"7: routing.path.\"/metrics/x\": tenement's own /metrics comes first"},
		{"at DOMAIN itself", ok + "[routing]\ndefault = 'OK'", "5: routing.default: " + atDomain},
		{"at a label of DOMAIN's", ok + "[routing.subdomain]\nwww = 'ok'", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("t", []byte(test.toml))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range c.Remarks {
				got = append(got, fmt.Sprintf("%d: %s", r.Line, r.Text))
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}
