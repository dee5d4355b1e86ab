package edge

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tenement/actors/ledger"
	"tenement/conf"
)

func (a *API) issueToken(ctx context.Context, r *apiRequest) Reply {
	var body TokenRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	token, err := NewToken(body.Tenant, body.Description)
	if err != nil {
		return refuse(http.StatusBadRequest, `field "tenant": %v`, err)
	}
	plain, err := a.host.IssueToken(ctx, token)
	if err != nil {
		return a.failed("cannot make a token", err)
	}
	return answerJSON(http.StatusCreated, TokenJSON{Token: plain, Scope: string(token.Scope)})
}

// NewToken describes the token that is asked for by a tenant's "id" or
// "service:id", or an admin token when tenant is "". It has no hash yet.
func NewToken(tenant, description string) (ledger.Token, error) {
	token := ledger.Token{Scope: ledger.ScopeAdmin, Description: description, Created: time.Now()}
	if tenant == "" {
		return token, nil
	}
	token.Scope = ledger.ScopeTenant
	if !strings.Contains(tenant, ":") {
		id, err := conf.Name(tenant)
		token.ID = id
		return token, err
	}
	name, err := conf.ParseInstance(tenant)
	token.Service, token.ID = name.Service, name.ID
	return token, err
}
