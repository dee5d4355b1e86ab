package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad_ADataDirThatMovesWithTheWorkingDirectoryIsRemarkedOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	for text, want := range map[string]bool{
		"":                                      true,
		"[settings]\ndata_dir = \"state\"":      true,
		"[settings]\ndata_dir = \"/var/lib/x\"": false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := remarked(c, "start ten in "+dir); got != want {
			t.Errorf("%q: remarked %v, want %v: %v", text, got, want, c.Remarks)
		}
		other, err := c.WithDataDir("/var/lib/y")
		if err != nil || remarked(other, "start ten in") {
			t.Errorf("%q: still remarked on with --data-dir: %v, %v", text, other.Remarks, err)
		}
	}
}

func remarked(c *Config, text string) bool {
	for _, r := range c.Remarks {
		if strings.Contains(r.Text, text) {
			return true
		}
	}
	return false
}

func TestLoad_AnApexThatIsNoWordIsATenantsIDAndRemarkedOn(t *testing.T) {
	for apex, want := range map[string]bool{"weigthed": true, "alice": true, "weighted": false, "none": false} {
		c, err := Parse("t.toml", []byte("[service.a]\ncommand = \"x\"\nidle_timeout = 1\napex = \""+apex+"\""))
		if err != nil {
			t.Fatal(err)
		}
		if got := remarked(c, "is taken as the id of a tenant"); got != want {
			t.Errorf("apex %q: remarked %v, want %v", apex, got, want)
		}
	}
}
