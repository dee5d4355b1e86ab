package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/idna"

	"tenement/actors"
	"tenement/actors/ledger"
	"tenement/conf"
)

// DomainRequest is the body of adding a domain.
type DomainRequest struct {
	Process string `json:"process"`
	ID      string `json:"id"`
	Domain  string `json:"domain"` // as people write it
}

// RemoveDomainRequest is the body of removing one.
type RemoveDomainRequest struct {
	Domain string `json:"domain"`
}

// DomainJSON is a domain of a customer's own.
type DomainJSON struct {
	Domain   string `json:"domain"`            // as the DNS has it
	Unicode  string `json:"unicode,omitempty"` // as people write it, when that differs
	Instance string `json:"instance"`
	Created  int64  `json:"created,omitempty"` // ms since 1970
}

func domainJSON(d ledger.Domain) DomainJSON {
	j := DomainJSON{Domain: d.Name, Instance: d.Tenant.String()}
	if people, err := idna.Display.ToUnicode(d.Name); err == nil && people != d.Name {
		j.Unicode = people
	}
	if !d.Created.IsZero() {
		j.Created = d.Created.UnixMilli()
	}
	return j
}

// parseDomain reads a domain as people write it. The rules are those of a
// lookup, which browsers follow: what they would not find is refused.
func parseDomain(text string) (string, error) {
	if strings.Contains(text, "*") || len(text) > 4*maxHost {
		return conf.ParseDomain(text) // says what is wrong better than IDNA does
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
	if err == nil {
		return conf.ParseDomain(ascii)
	}
	if _, plain := conf.ParseDomain(text); plain != nil && isASCII(text) {
		return "", plain
	}
	return "", fmt.Errorf("%s: %w: %w", clipText(text), conf.ErrDomain, err)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

func (a *API) domains(_ context.Context, r *apiRequest) Reply {
	list := []DomainJSON{}
	for _, d := range a.host.Domains() {
		if r.who.may(d.Tenant) {
			list = append(list, domainJSON(d))
		}
	}
	return answerJSON(http.StatusOK, list)
}

func (a *API) addDomain(ctx context.Context, r *apiRequest) Reply {
	var body DomainRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	domain, refused := readDomain(body.Domain)
	if refused != nil {
		return *refused
	}
	name, refused := a.named(r, body.Process, body.ID)
	if refused != nil {
		return *refused
	}
	added, err := a.host.AddDomain(ctx, domain, name)
	var taken *ledger.TakenError
	var own *actors.OwnDomainError
	switch {
	case errors.As(err, &taken):
		return refuse(http.StatusConflict, "%v: `ten domain remove %s` frees it", taken, domain)
	case errors.As(err, &own):
		return refuse(http.StatusConflict, "%v", own)
	case err != nil:
		return a.failed("cannot add "+domain+" to "+name.String(), err)
	case !added:
		return answerJSON(http.StatusOK, domainJSON(ledger.Domain{Name: domain, Tenant: name}))
	}
	return answerJSON(http.StatusCreated, domainJSON(ledger.Domain{Name: domain, Tenant: name}))
}

func (a *API) removeDomain(ctx context.Context, r *apiRequest) Reply {
	var body RemoveDomainRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	domain, refused := readDomain(body.Domain)
	if refused != nil {
		return *refused
	}
	name, err := a.host.RemoveDomain(ctx, domain)
	switch {
	case errors.Is(err, actors.ErrUnknownDomain):
		return refuse(http.StatusNotFound, "%v: `ten domain list` lists them", err)
	case err != nil:
		return a.failed("cannot remove "+domain, err)
	}
	return answerJSON(http.StatusOK, domainJSON(ledger.Domain{Name: domain, Tenant: name}))
}

func readDomain(text string) (string, *Reply) {
	if text == "" {
		return "", refusep(http.StatusBadRequest, `field "domain" is missing: like shop.example.org`)
	}
	domain, err := parseDomain(text)
	if err != nil {
		return "", refusep(http.StatusBadRequest, `field "domain": %v`, err)
	}
	return domain, nil
}
