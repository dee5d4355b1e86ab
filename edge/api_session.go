package edge

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// A browser's session: the cookie is host-only (no Domain) and sent to the API
// only. The header's secret is required of every call that a cookie speaks for,
// reading ones too: a page of another origin can neither read nor send it, and a
// cookie that a tenant's page sets for the whole domain does not match it.
const (
	sessionCookie = "tenement_session"
	csrfHeader    = "X-Csrf-Token"
)

// LoginRequest is the body of POST /api/login.
type LoginRequest struct {
	Token string `json:"token"`
}

// LoginJSON answers POST /api/login, beside the cookie.
type LoginJSON struct {
	CSRF string `json:"csrf"` // to be sent as X-Csrf-Token with every call
	SessionJSON
}

// SessionJSON says who a caller is.
type SessionJSON struct {
	Scope       string `json:"scope"` // admin, service, tenant
	For         string `json:"for"`   // "service:", "id" or "service:id"; "" for an admin
	ReadOnly    bool   `json:"read_only"`
	Description string `json:"description"`
	Domain      string `json:"domain"` // under which the services have their names
}

func (a *API) login(_ context.Context, r *apiRequest) Reply {
	if refused := sameOrigin(r.Call); refused != nil {
		return *refused
	}
	var body LoginRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	token := strings.TrimSpace(body.Token)
	if token == "" {
		return refuse(http.StatusBadRequest, `field "token" is missing: a token, as `+"`ten token-gen`"+` prints it`)
	}
	who, refused := a.recognise(token, r.Remote)
	if refused != nil {
		return *refused
	}
	id, opened := a.sessions.begin(token)
	reply := answerJSON(http.StatusOK, LoginJSON{CSRF: opened.csrf, SessionJSON: a.describe(who)})
	reply.Lines = [][2]string{cookieLine(r.Call, id, sessionLife), noStore}
	return reply
}

// logout ends the session, if there is one, and takes the cookie back.
func (a *API) logout(_ context.Context, r *apiRequest) Reply {
	if refused := sameOrigin(r.Call); refused != nil {
		return *refused
	}
	who, found := a.browsing(r.Call)
	if !found {
		return refuse(http.StatusUnauthorized, "not logged in: there is no session of this cookie and this X-Csrf-Token")
	}
	a.sessions.end(who.session)
	reply := noContent()
	reply.Lines = [][2]string{cookieLine(r.Call, "", -time.Second)}
	return reply
}

func (a *API) whoami(_ context.Context, r *apiRequest) Reply {
	return answerJSON(http.StatusOK, a.describe(r.who))
}

func (a *API) describe(who caller) SessionJSON {
	s := SessionJSON{Scope: "admin", Domain: a.domain}
	if who.plain != "" {
		info := tokenInfo(who.token)
		s.Scope, s.For, s.ReadOnly, s.Description = info.Scope, info.For, info.ReadOnly, info.Description
	}
	return s
}

// browsing finds the caller of a session. There may be several cookies of the
// name, since a tenant's page may set one for the whole domain: the one counts
// that the header's secret belongs to.
func (a *API) browsing(c *Call) (caller, bool) {
	browser := http.Request{Header: c.Header}
	for _, cookie := range browser.CookiesNamed(sessionCookie) {
		known, ok := a.sessions.find(cookie.Value, c.Header.Get(csrfHeader))
		if !ok {
			continue
		}
		who, valid := a.identify(known.token)
		if !valid { // revoked, or it has expired
			a.sessions.end(cookie.Value)
			continue
		}
		who.session, who.csrf = cookie.Value, known.csrf
		return who, true
	}
	return caller{}, false
}

// sameOrigin refuses what a page of another origin had the browser send.
func sameOrigin(c *Call) *Reply {
	err := http.NewCrossOriginProtection().Check(&http.Request{Method: c.Method, Host: c.Host, Header: c.Header})
	if err != nil {
		return refusep(http.StatusForbidden, "a page of another origin sent this (%v): open the dashboard itself", err)
	}
	return nil
}

// cookieLine sets the cookie for a time; a negative one takes it back.
func cookieLine(c *Call, id string, life time.Duration) [2]string {
	cookie := http.Cookie{
		Name: sessionCookie, Value: id, Path: "/api", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.Secure,
	}
	return [2]string{"Set-Cookie", cookie.String()}
}
