package edge

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSessions_NeedBothSecretsAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		id, opened := s.begin("token")
		other, another := s.begin("token")
		if id == other || opened.csrf == another.csrf || id == opened.csrf || len(id) < 20 {
			t.Fatalf("sessions that are alike: %q %q", id, other)
		}
		for _, c := range []struct {
			about, id, csrf string
			found           bool
		}{
			{"both", id, opened.csrf, true}, {"no secret", id, "", false}, {"the other's", id, another.csrf, false},
			{"no cookie", "", opened.csrf, false}, {"neither", "", "", false}, {"the cookie twice", id, id, false},
		} {
			if known, found := s.find(c.id, c.csrf); found != c.found || found && known.token != "token" {
				t.Errorf("%s: %+v, %t", c.about, known, found)
			}
		}
		s.end(other)
		if _, found := s.find(other, another.csrf); found {
			t.Error("it goes on after its end")
		}
		time.Sleep(sessionLife - time.Second)
		if _, found := s.find(id, opened.csrf); !found {
			t.Error("it ended too early")
		}
		time.Sleep(time.Second)
		if _, found := s.find(id, opened.csrf); found {
			t.Error("it lives on")
		}
		s.begin("another")
		if len(s.open) != 1 {
			t.Errorf("%d are kept, of which one is open", len(s.open))
		}
	})
}

func TestSessions_WhoLogsInTooOftenPutsOutTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		admin, hers := s.begin("admin")
		first, his := s.begin("tenant")
		for range 1000 {
			time.Sleep(time.Second)
			s.begin("tenant")
		}
		if _, found := s.find(admin, hers.csrf); !found {
			t.Error("another token's session was put out")
		}
		if _, found := s.find(first, his.csrf); found {
			t.Error("the oldest of the token is still open")
		}
		if len(s.open) != sessionsPerToken+1 {
			t.Errorf("%d sessions are open", len(s.open))
		}
	})
}
