package edge

import (
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"time"
)

// How long a browser stays logged in, and how many may be with one token: whoever
// logs in again and again puts out their own sessions and nobody else's.
const (
	sessionLife      = 12 * time.Hour
	sessionsPerToken = 16
)

// session is one browser that is logged in. Its cookie is worth nothing without
// the second secret, which only a page of our own can read and send in a header.
type session struct {
	token string // in plain text, as presented at login
	csrf  string
	ends  time.Time
}

// sessions are kept in memory: a daemon that starts again knows of none.
type sessions struct {
	mu   sync.Mutex
	open map[string]session // by the cookie's value
}

func newSessions() *sessions { return &sessions{open: map[string]session{}} }

// begin opens a session for a token that was found valid.
func (s *sessions) begin(token string) (id string, opened session) {
	id, opened = rand.Text(), session{token: token, csrf: rand.Text(), ends: time.Now().Add(sessionLife)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(token)
	s.open[id] = opened
	return id, opened
}

// makeRoom forgets what is over, and the oldest of a token that has too many.
func (s *sessions) makeRoom(token string) {
	now, count, oldest := time.Now(), 0, ""
	for id, known := range s.open {
		switch {
		case !known.ends.After(now):
			delete(s.open, id)
		case known.token == token:
			count++
			if oldest == "" || known.ends.Before(s.open[oldest].ends) {
				oldest = id
			}
		}
	}
	if count >= sessionsPerToken {
		delete(s.open, oldest)
	}
}

// find gives the session of a cookie and the secret that came with it.
func (s *sessions) find(id, csrf string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.open[id]
	if !ok || !known.ends.After(time.Now()) || subtle.ConstantTimeCompare([]byte(known.csrf), []byte(csrf)) != 1 {
		return session{}, false
	}
	return known, true
}

// end closes a session.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}
