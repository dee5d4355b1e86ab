package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tenement/conf"
)

func (a *app) caddyCmd() *cobra.Command {
	var domain, out, provider string
	var port int
	cmd := &cobra.Command{
		Use: "caddy -d DOMAIN", Short: "Write a Caddyfile for Caddy in front of the daemon", Args: needsDomain,
		RunE: func(*cobra.Command, []string) error {
			text, err := a.caddyfileFor(domain, port, provider)
			if err != nil {
				return err
			}
			if out == "" {
				_, err := fmt.Fprint(a.out, text)
				return err
			}
			if err := writeNew(out, text, "ten caddy"); err != nil {
				return err
			}
			a.say("Wrote %s", out)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&domain, "domain", "d", "", "tenants answer to ID.SERVICE.DOMAIN (required)")
	flags.IntVarP(&port, "port", "p", 8080, "port of the daemon on 127.0.0.1")
	flags.StringVarP(&out, "output", "o", "", "file to write, which must not be there (default the terminal)")
	flags.StringVar(&provider, "dns-provider", "", "Caddy's DNS module, for wildcard certificates (default a certificate for each name that is asked for)")
	return cmd
}

// needsDomain is for verbs that take no arguments and cannot do without -d.
func needsDomain(cmd *cobra.Command, args []string) error {
	if !cmd.Flags().Changed("domain") {
		return errors.New("-d DOMAIN is missing: under which domain do tenants answer?")
	}
	return cobra.NoArgs(cmd, args)
}

// caddyfileFor needs the services' names only; without a configuration there
// are none.
func (a *app) caddyfileFor(domain string, port int, provider string) (string, error) {
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("--port %d: a port from 1 to 65535 is expected", port)
	}
	name, err := conf.ParseDomain(domain)
	if err != nil {
		return "", fmt.Errorf("--domain %q: %w", domain, err)
	}
	config, err := a.lookUpConfig()
	if errors.Is(err, conf.ErrNotFound) {
		config, err = conf.Parse(conf.FileName, nil)
	}
	if err != nil {
		return "", err
	}
	if provider != "" {
		if _, err := conf.Name(provider); err != nil {
			return "", fmt.Errorf("--dns-provider %q: the name of a Caddy module is expected, like cloudflare", provider)
		}
	}
	return caddyfile(config, name, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), provider), nil
}

// secretsOf are what the modules for DNS providers are configured with, where it
// is not one token in PROVIDER_API_TOKEN.
var secretsOf = map[string]string{
	"cloudflare":   "{env.CLOUDFLARE_API_TOKEN}",
	"digitalocean": "{env.DO_AUTH_TOKEN}",
	"hetzner":      "{env.HETZNER_API_TOKEN}",
	"route53":      "", // it finds its own
}

// caddyfile is what Caddy needs: with a DNS provider wildcards for each service,
// and always certificates on demand for names that the daemon knows: all others,
// and customers' own domains.
func caddyfile(config *conf.Config, domain, upstream, provider string) string {
	proxy := "\treverse_proxy " + upstream + "\n"
	var b strings.Builder
	fmt.Fprintf(&b, `%s# Caddy in front of tenement. Only names that the daemon knows get a certificate.
{
	on_demand_tls {
		ask http://%s/api/tls/ask
	}
}

`, unitHead, upstream)
	if provider != "" {
		sites := []string{domain, "*." + domain}
		for _, name := range config.ServiceNames() {
			sites = append(sites, "*."+name+"."+domain)
		}
		secret, known := secretsOf[provider]
		if !known {
			secret = "{env." + strings.ToUpper(strings.ReplaceAll(provider, "-", "_")) + "_API_TOKEN}"
		}
		fmt.Fprintf(&b, "%s {\n\ttls {\n\t\t%s\n\t}\n%s}\n\n", strings.Join(sites, ", "), strings.TrimSpace("dns "+provider+" "+secret), proxy)
	}
	fmt.Fprintf(&b, "https:// {\n\ttls {\n\t\ton_demand\n\t}\n%s}\n", proxy)
	return b.String()
}
