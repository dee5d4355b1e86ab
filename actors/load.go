package actors

import (
	"errors"
	"fmt"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
	"tenement/sandbox"
)

// load reads the registry into memory: services, cells, tokens.
func (h *Host) load() error {
	tenants, tokens, err := h.book.store.Load()
	if err != nil {
		return err
	}
	services := map[string]*service{}
	for name, config := range h.Config().Services {
		services[name] = newService(h, terms{config, h.refused(config)})
	}
	h.services.Store(&services)
	if h.book.store.Fresh() {
		if tenants, err = h.adoptDirectories(); err != nil {
			return err
		}
	}
	absent := map[string]int{}
	for _, t := range tenants {
		s := h.service(t.Name.Service)
		if s == nil {
			absent[t.Name.Service]++
			continue
		}
		s.put(t)
	}
	for _, s := range services {
		s.reweigh()
	}
	for service, n := range absent {
		h.log.Warn().Str("service", service).Int("tenants", n).
			Msg("registered tenants of a service that tenement.toml does not have: kept, not served")
	}
	if err := h.loadDomains(tenants); err != nil {
		return err
	}
	if err := h.loadRollouts(); err != nil {
		return err
	}
	return h.loadTokens(tokens)
}

// refused says why no tenant of a service can run here.
func (h *Host) refused(config *conf.Service) error {
	err := h.unfit(config)
	if err != nil {
		err = fmt.Errorf("service %s is refused: %w", config.Name, err)
		h.log.Error().Str("service", config.Name).Err(err).Msg("this service does not run; the others do")
	}
	return err
}

// unfit says what this host lacks for a service, or for a release of it.
func (h *Host) unfit(config *conf.Service) error {
	err := h.launcher.Supports(sandbox.Level(config.Isolation))
	if err == nil {
		err = h.launcher.Enforces(askedLimits(config))
	}
	if err == nil && len(config.Secrets) > 0 {
		err = sandbox.KeepsSecrets(h.o.RunDir)
	}
	if err == nil && config.User != "" {
		_, err = findUser(config.User)
	}
	if err == nil {
		err = h.wayOut(config)
	}
	if config.Refused != "" {
		err = errors.New(config.Refused)
	}
	return err
}

// adoptDirectories registers, on the first start without a registry, the
// tenants whose data is there: those of the original tenement, or of a registry
// that was lost.
func (h *Host) adoptDirectories() ([]ledger.Tenant, error) {
	var tenants []ledger.Tenant
	var changes []ledger.Change
	for service := range *h.services.Load() {
		names, _, err := h.directories(service)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			uid, err := h.book.store.UID(name, h.Config().Settings.UIDBase)
			if err != nil {
				return nil, err
			}
			t := ledger.Tenant{Name: name, UID: uid, Weight: 100, Created: time.Now().UTC()}
			tenants = append(tenants, t)
			changes = append(changes, ledger.PutTenant{Tenant: t})
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	h.log.Info().Int("tenants", len(tenants)).Msg("no registry: registered the tenants whose directories are there")
	return tenants, h.book.store.Apply(changes...)
}

// loadTokens publishes the valid tokens. An api_token file of the original's
// stays valid until another admin token replaces it.
func (h *Host) loadTokens(tokens []ledger.Token) error {
	valid := map[[32]byte]ledger.Token{}
	admin := false
	for _, t := range tokens {
		valid[t.Hash] = t
		admin = admin || t.Primary()
	}
	if !admin && h.o.AdminToken != "" {
		t := ledger.Token{
			Hash: ledger.HashToken(h.o.AdminToken), Scope: ledger.ScopeAdmin,
			Description: "from the api_token file", Created: time.Now().UTC(),
		}
		if err := h.book.store.Apply(ledger.PutToken{Token: t}); err != nil {
			return err
		}
		valid[t.Hash] = t
	}
	h.book.tokens.Store(&valid)
	return nil
}
