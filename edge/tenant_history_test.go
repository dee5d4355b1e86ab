package edge

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tenement/actors"
)

func TestTenantHistory_IsOneListAFigure(t *testing.T) {
	d := newAsker(t)
	before := time.Now().UnixMilli()
	j := decodedReply[TenantHistoryJSON](t, d.ask("alice", "GET", "/api/instances/notes:alice/history", ""))
	if !slices.Equal(j.Times, []int64{1_000_000, 1_030_000}) || !slices.Equal(j.CPU, []float64{25, 0}) ||
		!slices.Equal(j.Memory, []int64{1 << 20, 1 << 21}) || !slices.Equal(j.Requests, []float64{2.5, 0}) {
		t.Errorf("%+v", j)
	}
	if j.StepSecs != 30 || j.Now < before || j.Now > time.Now().UnixMilli() {
		t.Errorf("step %d, now %d", j.StepSecs, j.Now)
	}
}

func TestTenantHistory_OfASleeperIsEmptyLists(t *testing.T) {
	j := tenantHistoryJSON(nil, time.Now())
	if j.Times == nil || j.CPU == nil || j.Memory == nil || j.Requests == nil || len(j.Times) != 0 {
		t.Errorf("%+v", j)
	}
}

func TestTenantHistory_RefusalsSayWhatIsWrong(t *testing.T) {
	d := newAsker(t)
	d.ask("admin", "GET", "/api/instances/notes:nobody/history", "").wants(t, 404, "cannot tell what notes:nobody took")
	d.ask("notes-bob", "GET", "/api/instances/notes:alice/history", "").wants(t, 403, "not for notes:alice")
	d.ask("admin", "GET", "/api/instances/notes/history", "").wants(t, 400, "notes")
	d.host.fails(&actors.Refusal{})
	d.ask("admin", "GET", "/api/instances/notes:alice/history", "").wants(t, 503, "cannot tell what notes:alice took")
	d.host.fails(errors.New("a fault"))
	d.ask("admin", "GET", "/api/instances/notes:alice/history", "").wants(t, 500, "a fault")
}
