package conf

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Effect says what it takes for a changed key to be felt.
type Effect string

// The effects of a change.
const (
	EffectLive      Effect = "live"      // at once
	EffectProcesses Effect = "processes" // with the next process of the service's tenants
	EffectAdded     Effect = "added"     // a service that was not there
	EffectRemoved   Effect = "removed"   // a service that is there no more
	EffectDaemon    Effect = "daemon"    // when the daemon is started anew
)

// Difference is one key, or one whole service, in which two configurations
// differ.
type Difference struct {
	Table  string // "settings", "settings.tls", "service.notes", "instances", "routing"
	Key    string // "" = the whole table
	Old    string // as the file would write it; "" = not there, or not to be shown
	New    string
	Effect Effect
}

func (d Difference) String() string {
	name := join(d.Table, d.Key)
	if d.Key == "" {
		name = d.Table
	}
	switch {
	case d.Effect == EffectAdded || d.Effect == EffectRemoved:
		return fmt.Sprintf("%s: %s", name, d.Effect)
	case d.Old == "" && d.New == "":
		return name + ": changed"
	}
	return fmt.Sprintf("%s: %s -> %s", name, d.Old, d.New)
}

// live are the keys that nothing has to be started anew for; every other one
// of a service's needs a new process, every other setting a new daemon.
var live = map[string][]string{
	"settings": {
		"health_check_interval", "max_restarts", "restart_window", "backoff_base_ms", "backoff_max_ms",
		"circuit_cooldown", "queue_timeout", "max_awake", "max_concurrent_starts", "uid_base",
	},
	"service": {
		"health", "restart", "idle_timeout", "startup_timeout", "request_timeout", "apex", "create_on_request", "storage_persist",
		"max_body_mb", "max_upgrades", "wake_page_after", "error_pages", "access_log", "storage_full",
		"before_start", "after_stop", "hook_timeout",
		"max_body_mb", "max_upgrades", "wake_page_after", "error_pages", "access_log",
	},
}

// Compare lists in what next differs from old, in the order of the file's keys.
func Compare(old, next *Config) []Difference {
	all := compareTables(settingsKeys, &old.Settings, &next.Settings, "settings")
	all = append(all, compareAll(old.Services, next.Services, "service")...)
	if !slices.Equal(old.Instances, next.Instances) {
		all = append(all, Difference{Table: "instances", Effect: EffectLive})
	}
	if !reflect.DeepEqual(old.Routing, next.Routing) {
		all = append(all, Difference{Table: "routing", Effect: EffectLive})
	}
	return all
}

// compareAll compares services, or the releases of one, name by name.
func compareAll(old, next map[string]*Service, in string) (all []Difference) {
	names := slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(next)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, b, table := old[name], next[name], join(in, name)
		switch {
		case a == nil:
			all = append(all, Difference{Table: table, Effect: EffectAdded})
		case b == nil:
			all = append(all, Difference{Table: table, Effect: EffectRemoved})
		default:
			all = append(all, compareServices(a, b, table)...)
			all = append(all, compareAll(a.Releases, b.Releases, table+".release")...)
		}
	}
	return all
}

// compareServices leaves args out where command says it already: both are the
// one argument list.
func compareServices(old, next *Service, table string) []Difference {
	all := compareTables(serviceKeys, old, next, table)
	if old.Command != next.Command {
		all = slices.DeleteFunc(all, func(d Difference) bool { return d.Key == "args" })
	}
	return all
}

func compareTables[T any](keys []key[T], old, next *T, in string) []Difference {
	var all []Difference
	for _, k := range keys {
		all = append(all, k.compare(old, next, in)...)
	}
	return all
}

// differs compares one key's values.
func differs(in, name string, old, next any) []Difference {
	if reflect.DeepEqual(old, next) {
		return nil
	}
	d := Difference{Table: in, Key: name, Old: show(old), New: show(next), Effect: EffectDaemon}
	kind := "settings"
	if len(in) > len("service.") && in[:len("service.")] == "service." {
		kind, d.Effect = "service", EffectProcesses
	}
	if slices.Contains(live[kind], name) && (kind == "service" || in == kind) {
		d.Effect = EffectLive
	}
	return []Difference{d}
}

// show writes a value as the file would; "" for those that may hold secrets.
func show(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64) + " s"
	case []string:
		return fmt.Sprintf("%q", v)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return strconv.Quote(r.String())
	case reflect.Map, reflect.Slice, reflect.Struct, reflect.Pointer:
		return ""
	}
	return fmt.Sprint(v)
}
