package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// TenOptions is what tenement is started with.
type TenOptions struct {
	Binary   string
	Dir      string // an empty directory of its own
	Domain   string
	Settings string   // lines of [settings] besides bind, data_dir and run_dir
	Port     int      // where Settings has it listen; 0 = a free one by -p
	Services string   // the [service.NAME] blocks
	Tenants  []string // S:I, registered
	Wrap     []string // what the command is run by
	Flags    []string // of ten serve, besides -p and -d
}

// StartTen runs `ten serve` until Stop.
func StartTen(o TenOptions) (*Proxy, error) {
	toml := fmt.Sprintf("[settings]\nbind = \"127.0.0.1\"\ndata_dir = %q\nrun_dir = %q\n%s\n%s", o.Dir+"/data", o.Dir+"/run", o.Settings, o.Services)
	config := filepath.Join(o.Dir, "tenement.toml")
	if err := os.WriteFile(config, []byte(toml), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", config, err)
	}
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	listen := []string{"-p", port}
	if o.Port != 0 {
		address, listen = fmt.Sprintf("127.0.0.1:%d", o.Port), nil
	}
	env := append(os.Environ(), "TENEMENT_CONFIG="+config)
	p := &Proxy{Name: "tenement", Address: address}
	command := append(append(append([]string{}, o.Wrap...), o.Binary, "serve", "-d", o.Domain), append(listen, o.Flags...)...)
	if err := p.Run(command, env); err != nil {
		return nil, err
	}
	if len(o.Tenants) == 0 {
		return p, nil
	}
	register := exec.Command(o.Binary, append([]string{"register"}, o.Tenants...)...)
	register.Env = env
	if out, err := register.CombinedOutput(); err != nil {
		_ = p.Stop()
		return nil, fmt.Errorf("cannot register %q: %w: %s", o.Tenants, err, out)
	}
	return p, nil
}
