package main

import (
	"encoding/json"
	"testing"
)

func TestLog_IsOneJSONObjectALineUnlessOnATerminal(t *testing.T) {
	var b buffer
	log := newLog(&b)
	log.Warn().Str("reason", "a\nb\x1b").Msg("x")
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil || line["reason"] != "a\nb\x1b" || line["level"] != "warn" || line["time"] == nil {
		t.Errorf("%q: %v", b.String(), err)
	}
}
