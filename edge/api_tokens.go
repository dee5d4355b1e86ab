package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

// maxExpiry is how far away the end of a token may be; beyond it, no end is meant.
const maxExpiry = 10 * 365 * 24 * time.Hour

func (a *API) issueToken(ctx context.Context, r *apiRequest) Reply {
	var body TokenRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	token, err := NewToken(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	plain, issued, err := a.host.IssueToken(ctx, token)
	if err != nil {
		return a.failed("cannot make a token", err)
	}
	return answerJSON(http.StatusCreated, TokenJSON{Token: plain, Scope: string(issued.Scope), ID: issued.Handle()})
}

// NewToken describes the token that is asked for. It has no hash yet. An error
// names the field.
func NewToken(r TokenRequest) (ledger.Token, error) {
	token := ledger.Token{Scope: ledger.ScopeAdmin, Description: r.Description, ReadOnly: r.ReadOnly, Created: time.Now()}
	expires := time.Duration(r.ExpiresSecs) * time.Second
	switch {
	case r.ExpiresSecs < 0 || r.ExpiresSecs > int64(maxExpiry/time.Second):
		return token, fmt.Errorf("field \"expires_secs\": 1 to %d are expected, or 0 for never", int64(maxExpiry/time.Second))
	case expires > 0:
		token.Expires = token.Created.Add(expires).UTC()
	}
	switch {
	case r.Tenant != "" && r.Service != "":
		return token, errors.New(`fields "tenant" and "service": a token is for one or the other`)
	case r.Service != "":
		name, err := conf.Name(r.Service)
		if err != nil {
			return token, fmt.Errorf("field \"service\": %w", err)
		}
		token.Scope, token.Service = ledger.ScopeService, name
	case r.Tenant != "":
		if err := forTenant(&token, r.Tenant); err != nil {
			return token, fmt.Errorf("field \"tenant\": %w", err)
		}
	}
	return token, nil
}

// forTenant makes it a token of "id", in any service, or of "service:id".
func forTenant(token *ledger.Token, tenant string) error {
	token.Scope = ledger.ScopeTenant
	if !strings.Contains(tenant, ":") {
		id, err := conf.Name(tenant)
		token.ID = id
		return err
	}
	name, err := conf.ParseInstance(tenant)
	token.Service, token.ID = name.Service, name.ID
	return err
}

func (a *API) tokens(context.Context, *apiRequest) Reply {
	list := []TokenInfoJSON{}
	for _, t := range a.host.Tokens() {
		list = append(list, tokenInfo(t))
	}
	return answerJSON(http.StatusOK, list)
}

func tokenInfo(t ledger.Token) TokenInfoJSON {
	info := TokenInfoJSON{
		ID: t.Handle(), Scope: string(t.Scope), ReadOnly: t.ReadOnly, Description: t.Description, Created: t.Created.UnixMilli(),
	}
	if t.Service != "" {
		info.For = t.Service + ":"
	}
	info.For += t.ID
	if !t.Expires.IsZero() {
		info.Expires = t.Expires.UnixMilli()
	}
	return info
}

func (a *API) revokeToken(ctx context.Context, r *apiRequest) Reply {
	var body RevokeRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	if body.ID == "" {
		return refuse(http.StatusBadRequest, `field "id" is missing: the id of a token, as GET /api/tokens has it`)
	}
	return a.finished("cannot revoke "+clipText(body.ID), a.host.RevokeToken(ctx, body.ID))
}
