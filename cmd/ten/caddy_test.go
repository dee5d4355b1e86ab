package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tenement/conf"
)

func TestCaddy_PrintsAFileWithAWildcardForEachService(t *testing.T) {
	w := newWorld(t)
	want := unitHead + `# Caddy in front of tenement. Only names that the daemon knows get a certificate.
{
	on_demand_tls {
		ask http://127.0.0.1:8080/api/tls/ask
	}
}

example.com, *.example.com, *.notes.example.com, *.shop.example.com {
	tls {
		dns cloudflare {env.CLOUDFLARE_API_TOKEN}
	}
	reverse_proxy 127.0.0.1:8080
}

https:// {
	tls {
		on_demand
	}
	reverse_proxy 127.0.0.1:8080
}
`
	w.wants(0, want, "", "caddy", "-d", "Example.COM", "--dns-provider", "cloudflare")
	_, out, _ := w.ten("caddy", "-d", "example.com", "-p", "9000")
	if strings.Contains(out, "*.") || !strings.Contains(out, "reverse_proxy 127.0.0.1:9000") {
		t.Errorf("without a DNS provider:\n%s", out)
	}
	for provider, says := range map[string]string{"route53": "\t\tdns route53\n", "my-dns": "\t\tdns my-dns {env.MY_DNS_API_TOKEN}\n"} {
		if _, out, _ := w.ten("caddy", "-d", "example.com", "--dns-provider", provider); !strings.Contains(out, says) {
			t.Errorf("%s: no %q in\n%s", provider, says, out)
		}
	}
}

func TestCaddy_WritesAFileThatIsNotThereYet(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.dir, "Caddyfile")
	w.wants(0, "Wrote "+path+"\n", "", "caddy", "-d", "example.com", "-o", path)
	w.wants(1, "", "is there already: ten caddy does not overwrite it", "caddy", "-d", "example.com", "-o", path)
	w.wants(1, "", "cannot write what ten caddy makes", "caddy", "-d", "example.com", "-o", filepath.Join(w.dir, "none", "Caddyfile"))
}

func TestCaddy_WhatIsWrongIsSaid(t *testing.T) {
	w := newWorld(t)
	w.wants(2, "", "-d DOMAIN is missing", "caddy")
	w.wants(1, "", "it has no dot", "caddy", "-d", "example")
	w.wants(1, "", "--port 0: a port from 1", "caddy", "-d", "example.com", "-p", "0")
	w.wants(1, "", "the name of a Caddy module is expected", "caddy", "-d", "example.com", "--dns-provider", "x }\nimport /etc/passwd")
	w.write(conf.FileName, "nonsense = 1")
	w.wants(1, "", "nonsense", "caddy", "-d", "example.com")
	delete(w.env, "TENEMENT_CONFIG")
	t.Chdir(t.TempDir())
	if code, out, errs := w.ten("caddy", "-d", "example.com"); code != 0 || !strings.Contains(out, "on_demand") {
		t.Errorf("without a configuration: exit %d, %s%s", code, out, errs)
	}
}

// Caddy itself takes the file; its DNS modules are in no ordinary Caddy.
func TestCaddy_TakesTheFile(t *testing.T) {
	program, err := exec.LookPath("caddy")
	if err != nil {
		t.Skipf("caddy is not installed: %v", err)
	}
	dir := t.TempDir()
	config, err := conf.Parse("tenement.toml", []byte(worldConfig))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile(config, "example.com", "127.0.0.1:8080", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "validate", "--config", path, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Valid configuration") {
		t.Errorf("%v\n%s", err, out)
	}
	fmtd := exec.Command(program, "fmt", "--diff", path)
	if out, err := fmtd.CombinedOutput(); err != nil || strings.Contains("\n"+string(out), "\n- ") {
		t.Errorf("not as Caddy would write it: %v\n%s", err, out)
	}
}
