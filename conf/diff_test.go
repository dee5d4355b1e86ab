package conf

import (
	"fmt"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/tenement.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const compared = `
[settings]
max_awake = 5
bind = "127.0.0.1"
tls.http_port = 80
[service.notes]
command = "./notes --port 1"
idle_timeout = 60
env = { KEY = "secret-one" }
[service.shop]
command = "./shop"
[instances]
notes = ["a"]
`

func TestCompare_NamesWhatChangedAndWhatItTakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`max_awake = 5`, `max_awake = 6`, `settings.max_awake: 5 -> 6 (live)`},
		{`bind = "127.0.0.1"`, `bind = "127.0.0.2"`, `settings.bind: ["127.0.0.1"] -> ["127.0.0.2"] (daemon)`},
		{`tls.http_port = 80`, `tls.http_port = 81`, `settings.tls.http_port: 80 -> 81 (daemon)`},
		{`idle_timeout = 60`, `idle_timeout = 1.5`, `service.notes.idle_timeout: 60 s -> 1.5 s (live)`},
		{`--port 1`, `--port 2`, `service.notes.command: "./notes --port 1" -> "./notes --port 2" (processes)`},
		{`secret-one`, `secret-two`, `service.notes.env: changed (processes)`},
		{`command = "./shop"`, "command = \"./shop\"\nargs = [\"x\"]", `service.shop.args: ["./shop"] -> ["./shop" "x"] (processes)`},
		{"[service.shop]\ncommand = \"./shop\"\n", "", `service.shop: removed (removed)`},
		{`[service.shop]`, "[service.cafe]\ncommand = \"./cafe\"\n[service.shop]", `service.cafe: added (added)`},
		{`notes = ["a"]`, `notes = ["a", "b"]`, `instances: changed (live)`},
		{"[instances]", "[routing]\ndefault = \"notes\"\n[instances]", `routing: changed (live)`},
		{`max_awake = 5`, "max_awake = 5 # the same", ``},
	} {
		var got []string
		for _, d := range Compare(parsed(t, compared), parsed(t, strings.Replace(compared, c.old, c.new, 1))) {
			got = append(got, fmt.Sprintf("%s (%s)", d, d.Effect))
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%q for %q: %s, want %s", c.new, c.old, all, c.want)
		}
	}
}

// Every key that is said to be live exists.
func TestCompare_LiveKeysExist(t *testing.T) {
	names := map[string]bool{}
	for _, k := range settingsKeys {
		names["settings "+k.name] = true
	}
	for _, k := range serviceKeys {
		names["service "+k.name] = true
	}
	for kind, keys := range live {
		for _, key := range keys {
			if !names[kind+" "+key] {
				t.Errorf("there is no key %s of %s", key, kind)
			}
		}
	}
}
