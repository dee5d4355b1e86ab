package edge

import (
	"context"
	"errors"
	"net/http"

	"tenement/conf"
)

// ChangeJSON is one key, or one whole service, that a reload changed.
type ChangeJSON struct {
	Table  string `json:"table"`         // settings, service.notes, instances, routing
	Key    string `json:"key"`           // "" = the whole table
	Old    string `json:"old,omitempty"` // as the file has it; absent for what may be secret
	New    string `json:"new,omitempty"`
	Effect string `json:"effect"` // live, processes, added, removed, daemon
	Text   string `json:"text"`   // for people
}

// ReloadedJSON answers POST /api/reload.
type ReloadedJSON struct {
	Changes []ChangeJSON `json:"changes"`
}

// effectTexts say what it takes for a change to be felt.
var effectTexts = map[conf.Effect]string{
	conf.EffectProcesses: " (its tenants get a new process)",
	conf.EffectRemoved:   " (its tenants drain and sleep, their data stays)",
	conf.EffectDaemon:    " (when the daemon is started anew)",
}

// reload reads the configuration again. A file with problems changes nothing.
func (a *API) reload(ctx context.Context, _ *apiRequest) Reply {
	if a.reloader == nil {
		return refuse(http.StatusConflict, "cannot reload: this daemon was started without a file")
	}
	changes, err := a.reloader(ctx)
	var problems conf.Problems
	switch {
	case errors.As(err, &problems), errors.Is(err, conf.ErrNotFound):
		return refuse(http.StatusUnprocessableEntity, "cannot reload, nothing is changed: %v", err)
	case err != nil:
		return a.failed("cannot reload", err)
	}
	answer := ReloadedJSON{Changes: []ChangeJSON{}}
	for _, d := range changes {
		answer.Changes = append(answer.Changes, ChangeJSON{
			Table: d.Table, Key: d.Key, Old: d.Old, New: d.New, Effect: string(d.Effect), Text: d.String() + effectTexts[d.Effect],
		})
	}
	return answerJSON(http.StatusOK, answer)
}
