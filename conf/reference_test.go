package conf

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// docs/configuration.md names every key, and says of each of a service's and of
// the settings what it takes to be felt.
func TestReference_NamesEveryKeyAndWhatItTakes(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	settings, service, found := strings.Cut(string(text), "## [service.NAME]")
	if !found {
		t.Fatal("there is no part about services")
	}
	settings, tls, found := strings.Cut(settings, "`[settings.tls]`")
	if !found {
		t.Fatal("there is no part about TLS")
	}
	for _, k := range settingsKeys {
		if k.name != "tls" {
			documented(t, settings, k.name, map[bool]string{true: "live", false: "daemon"}[slices.Contains(live["settings"], k.name)])
		}
	}
	for _, k := range serviceKeys {
		documented(t, service, k.name, map[bool]string{true: "live", false: "process"}[slices.Contains(live["service"], k.name)])
	}
	for _, k := range tlsKeys {
		documented(t, tls, k.name, "")
	}
}

// documented looks for the key's row, or for a word about it where it is ignored.
func documented(t *testing.T, text, name, felt string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.Contains(line, "`"+name+"`") {
			if cells := strings.Split(line, "|"); felt != "" && len(cells) > 4 && strings.TrimSpace(cells[3]) != felt {
				t.Errorf("%s is said to be felt %s, it is %s", name, cells[3], felt)
			}
			return
		}
	}
	t.Errorf("docs/configuration.md does not name %s", name)
}
