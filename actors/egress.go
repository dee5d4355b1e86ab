package actors

import (
	"fmt"

	"tenement/conf"
	"tenement/sandbox"
)

// wayOut opens the way to the internet that a service's tenants have in a
// network of their own. Where the host has none to give, the service runs
// without and that is said, unless it names addresses that it needs.
func (h *Host) wayOut(config *conf.Service) error {
	if sandbox.Network(config.Network) != sandbox.NetworkPrivate {
		return nil
	}
	err := h.launcher.OpenEgress(h.Config().Settings.PrivateNetwork)
	if err == nil {
		return nil
	}
	const offer = `write network = "none" to do without, or network = "host" for the host's own network`
	if len(config.Allow) > 0 {
		return fmt.Errorf("allow needs a way out of a private network, and this host has none: %w; %s", err, offer)
	}
	h.log.Warn().Str("service", config.Name).Err(err).Msg("its tenants cannot reach the internet from here: " + offer)
	return nil
}
