package main

import (
	"strings"
	"testing"

	"tenement/conf"
)

func TestReload_PrintsWhatChanged(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.wants(0, "Nothing changed\n", "", "reload")
	w.write(conf.FileName, strings.Replace(worldConfig, "idle_timeout = 300", "idle_timeout = 60", 1)+"\n[service.cafe]\ncommand = \"./cafe\"\n")
	w.wants(0, "service.cafe: added\nservice.notes.idle_timeout: 300 s -> 60 s\n", "", "reload")
	w.wants(0, "[]\n", "", "reload", "--json")
}

func TestReload_ABrokenFileChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.daemon()
	w.write(conf.FileName, strings.Replace(worldConfig, "idle_timeout", "idle_timout", 1))
	deeds := w.host.all()
	w.wants(1, "", `idle_timeout`, "reload")
	if got := w.host.all(); got != deeds {
		t.Errorf("the host was told to %q", got)
	}
}
