package edge

import (
	"context"
	"errors"
	"testing"

	"github.com/rs/zerolog"

	"tenement/conf"
)

func TestReload_TellsWhatChangedOrWhyNothingDid(t *testing.T) {
	_, broken := conf.Parse("tenement.toml", []byte("[service.notes]\ncomand = \"x\"\n"))
	for name, c := range map[string]struct {
		reload func(context.Context) ([]conf.Difference, error)
		status int
		says   string
	}{
		"changes": {func(context.Context) ([]conf.Difference, error) {
			return []conf.Difference{
				{Table: "service.notes", Key: "command", Old: `"a"`, New: `"b"`, Effect: conf.EffectProcesses},
				{Table: "service.shop", Effect: conf.EffectRemoved},
			}, nil
		}, 200, `{"changes":[{"table":"service.notes","key":"command","old":"\"a\"","new":"\"b\"","effect":"processes","text":"service.notes.command: \"a\" -\u003e \"b\" (its tenants get a new process)"},` +
			`{"table":"service.shop","key":"","effect":"removed","text":"service.shop: removed (its tenants drain and sleep, their data stays)"}]}`},
		"nothing":   {func(context.Context) ([]conf.Difference, error) { return nil, nil }, 200, `{"changes":[]}`},
		"a problem": {func(context.Context) ([]conf.Difference, error) { return nil, broken }, 422, "tenement.toml:2"},
		"a fault":   {func(context.Context) ([]conf.Difference, error) { return nil, errors.New("no disk") }, 500, "cannot reload: no disk"},
		"no file":   {nil, 409, "without a file"},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAPI(APIOptions{Host: newAPIHost(t), Log: zerolog.Nop(), Reload: c.reload})
			a.Serve(t.Context(), apiCall("local", "POST", "/api/reload", "")).wants(t, c.status, c.says)
		})
	}
}
