package edge

import (
	"strings"
	"testing"
)

const rolloutAnswer = `{"process":"notes","number":4,"to":"v2","from":"base","state":"running","proved":false,"reason":"","tenants":2,"moved":1,"left":1,"failed":0,"batch":10,"first":3,"canary":true,"started":1000}`

func TestRollout_BeginsWithWhatTheBodySays(t *testing.T) {
	for body, deed := range map[string]string{
		`{"process":"notes","to":"v2"}`:                                       "rollout notes v2 0% 10 30s",
		`{"process":"NOTES","to":"base","canary":2.5,"batch":3,"timeout":90}`: "rollout notes base 2.5% 3 1m30s",
	} {
		d := newAsker(t)
		d.ask("admin", "POST", "/api/rollouts", body).wants(t, 202, rolloutAnswer)
		if deeds := d.host.deeds(); len(deeds) != 1 || deeds[0] != deed {
			t.Errorf("%s: the host did %q", body, deeds)
		}
	}
}

func TestRollout_RefusalsSayWhatIsWrong(t *testing.T) {
	for body, c := range map[string]struct {
		status int
		says   string
	}{
		``:                              {400, "no body"},
		`{"to":"v2"}`:                   {400, `field \"process\" is missing`},
		`{"process":"notes"}`:           {400, `field \"to\" is missing: a release, or \"base\"`},
		`{"process":"../x","to":"v2"}`:  {400, `field \"process\"`},
		`{"process":"notes","to":"%2"}`: {400, `field \"to\"`},
		`{"process":"notes","to":"v2","canary":101}`:   {400, "0 to 100 percent"},
		`{"process":"notes","to":"v2","batch":-1}`:     {400, "1 to 10000 tenants"},
		`{"process":"notes","to":"v2","timeout":3601}`: {400, "1 to 3600 seconds"},
		`{"process":"notes","to":"v2","batch":"x"}`:    {400, `field \"batch\": a whole number is expected`},
		`{"process":"notes","to":"v9"}`:                {404, "notes has base, v2"},
		`{"process":"notes","to":"busy"}`:              {409, "under way"},
		`{"process":"shop","to":"v2"}`:                 {404, "unknown service"},
	} {
		d := newAsker(t)
		d.ask("admin", "POST", "/api/rollouts", body).wants(t, c.status, c.says)
		if deeds := d.host.deeds(); len(deeds) > 0 {
			t.Errorf("%s: the host did %q", body, deeds)
		}
	}
}

func TestRollout_IsShownFollowedAndAborted(t *testing.T) {
	d := newAsker(t)
	d.ask("admin", "GET", "/api/rollouts", "").wants(t, 200, "["+rolloutAnswer+"]")
	d.ask("admin", "GET", "/api/rollouts?process=shop", "").wants(t, 200, "[]")
	d.ask("admin", "GET", "/api/rollouts?process=a/b", "").wants(t, 400, "process")
	d.ask("admin", "GET", "/api/rollouts/stream", "").wants(t, 400, "process= is missing")
	d.ask("admin", "GET", "/api/rollouts/stream?process=shop", "").wants(t, 404, "no rollout of shop yet")
	d.ask("admin", "POST", "/api/rollouts/abort", `{"process":"shop"}`).wants(t, 404, "no rollout of shop")
	d.ask("admin", "POST", "/api/rollouts/abort", `{}`).wants(t, 400, "process")
	d.ask("admin", "POST", "/api/rollouts/abort", `{"process":"notes"}`).wants(t, 202, rolloutAnswer)
	if deeds := d.host.deeds(); len(deeds) != 1 || deeds[0] != "abort notes" {
		t.Errorf("the host did %q", deeds)
	}
	r := &sseReader{}
	if err := d.ask("admin", "GET", "/api/rollouts/stream?process=notes", "").Stream(t.Context(), r); err != nil { // it ends with the rollout
		t.Error(err)
	}
	text := r.seen()
	if !strings.Contains(text, "data: "+rolloutAnswer) || !strings.Contains(text, `"state":"done"`) || !strings.Contains(text, `"ended":2000`) {
		t.Errorf("the stream said %q", text)
	}
}
