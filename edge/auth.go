package edge

import (
	"net/http"
	"net/netip"
	"strings"

	"tenement/actors/ledger"
	"tenement/conf"
)

// maxToken is far above the length of any token ever issued: what is longer is
// wrong without being hashed.
const maxToken = 512

// caller is who asks, and so what they may see and do.
type caller struct {
	plain string // "" for a local caller
	token ledger.Token
	admin bool

	session, csrf string // of a browser that is logged in; else ""
}

// localCaller came by the control socket: root or the daemon's own user.
var localCaller = caller{admin: true}

// may reports whether the caller may see and act on this tenant.
func (c caller) may(name conf.Instance) bool {
	if c.admin {
		return true
	}
	switch c.token.Scope {
	case ledger.ScopeService:
		return c.token.Service != "" && c.token.Service == name.Service
	case ledger.ScopeTenant:
		own := c.token.ID != "" && c.token.ID == name.ID
		return own && (c.token.Service == "" || c.token.Service == name.Service)
	}
	return false
}

// authenticate finds the caller, or the reply that turns them away. A valid
// token is looked for first, so that a neighbour behind the same address who
// guesses never locks its holder out.
func (a *API) authenticate(c *Call) (caller, *Reply) {
	if c.Local {
		return localCaller, nil
	}
	if plain := bearer(c.Authorization); plain != "" {
		return a.recognise(plain, c.Remote)
	}
	who, ok := a.browsing(c)
	if !ok {
		return caller{}, refusep(http.StatusUnauthorized,
			"no token: send `Authorization: Bearer TOKEN`; `ten token-gen` makes one")
	}
	return who, sameOrigin(c)
}

// recognise finds who presents a token from an address, or turns them away.
func (a *API) recognise(plain string, from netip.Addr) (caller, *Reply) {
	if who, ok := a.identify(plain); ok {
		return who, nil
	}
	if wait := a.guesses.wrong(from); wait > 0 {
		r := refusep(http.StatusTooManyRequests, "too many wrong tokens from this address: wait, or use a valid token")
		r.RetryAfter = wait
		return caller{}, r
	}
	return caller{}, refusep(http.StatusUnauthorized,
		"unknown or expired token: `ten token-gen` makes a new one")
}

// identify finds what a token in plain text may do, now: a stream that outlives
// its token asks again.
func (a *API) identify(plain string) (caller, bool) {
	if len(plain) > maxToken {
		return caller{}, false
	}
	token, ok := a.host.Token(plain)
	if !ok {
		return caller{}, false
	}
	return caller{plain: plain, token: token, admin: token.Scope == ledger.ScopeAdmin}, true
}

// still reports whether a caller may go on with what they began: the token is
// valid and the browser has not logged out.
func (a *API) still(who caller) bool {
	if who.session != "" {
		if _, open := a.sessions.find(who.session, who.csrf); !open {
			return false
		}
	}
	_, valid := a.identify(who.plain)
	return valid
}

// bearer takes the token out of an Authorization header; "" when it is another scheme.
func bearer(header string) string {
	scheme, token, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
