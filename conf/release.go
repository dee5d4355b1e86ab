package conf

import (
	"slices"
	"strings"
)

// BaseRelease names the service as its own block has it, without a release.
const BaseRelease = "base"

// releaseKeys are what a release may set: what a process is made of and how it
// is found well. Who is shut in with whom, and who is let in, is the service's.
var releaseKeys = []string{
	"command", "args", "env", "env_file", "secrets", "pass_env", "workdir", "rootfs", "mounts", "listen",
	"health", "startup_timeout", "request_timeout", "before_start", "after_stop", "hook_timeout",
	"memory_limit_mb", "cpu_limit", "cpu_shares", "pids_limit", "io_weight", "open_files",
}

// layered are the tables to which a release adds: its other values replace the
// service's.
var layered = []string{"env", "secrets"}

// releases is the key under which they stand; readReleases reads them when the
// service itself is settled, compareAll compares them.
var releases = key[Service]{
	name:    "release",
	initial: func(*Service) {},
	read:    func(*Service, value) {},
	compare: func(_, _ *Service, _ string) []Difference { return nil },
}

// At is the service as a release has it; "" and BaseRelease are the service
// itself. False: there is no such release.
func (s *Service) At(release string) (*Service, bool) {
	if release == "" || release == BaseRelease {
		return s, true
	}
	r, ok := s.Releases[release]
	return r, ok
}

// readReleases reads every [service.S.release.R] as the service with the
// release's keys laid over its own.
func readReleases(s *Service, v value) {
	for _, f := range v.field("release").table() {
		name, err := Name(f.name)
		switch {
		case err != nil:
			f.fail("%v", err)
		case name == BaseRelease:
			f.fail("%q is the service without a release: choose another name", name)
		case s.Releases[name] != nil:
			f.fail("the same release as that of line %d: upper and lower case are one", s.Releases[name].Line)
		default:
			if s.Releases == nil {
				s.Releases = map[string]*Service{}
			}
			s.Releases[name] = readRelease(s, v, f)
		}
	}
}

func readRelease(s *Service, base, own value) *Service {
	own.only(releaseKeys)
	merged := own.over(base)
	merged.report = &report{file: own.file, wd: own.wd, files: own.files}
	r := &Service{Name: s.Name, Line: own.at.line}
	fill(merged, serviceKeys, r)
	r.settle(merged)
	own.adopt(base, merged.report)
	return r
}

// only refuses every key of a release's but these.
func (v value) only(names []string) {
	var ofServices []string
	for _, k := range serviceKeys {
		ofServices = append(ofServices, k.name)
	}
	for _, f := range v.table() {
		switch {
		case slices.Contains(names, f.name):
		case slices.Contains(ofServices, f.name):
			f.fail("is the service's to say: a release sets %s", strings.Join(names, ", "))
		default:
			f.fail("unknown key%s", didYouMean(f.name, names))
		}
	}
}

// over lays a release's table over its service's: the result stands at the
// release's path, each key at its own line.
func (v value) over(base value) value {
	merged := v.overlay(base, func(name string) bool { return slices.Contains(releaseKeys, name) })
	delete(merged.raw.(map[string]any), "release")
	for _, name := range layered {
		own := v.field(name)
		_, adds := own.raw.(map[string]any)
		if _, isTable := base.field(name).raw.(map[string]any); adds && isTable {
			both := own.overlay(base.field(name), func(string) bool { return true })
			merged.raw.(map[string]any)[name], merged.at.kids[name] = both.raw, both.at
		}
	}
	return merged
}

// overlay puts the keys of a table that are to be taken in the place of those of
// the table below.
func (v value) overlay(below value, take func(name string) bool) value {
	raw, at := map[string]any{}, &node{line: v.at.line, seq: v.at.seq, kids: map[string]*node{}}
	own := slices.DeleteFunc(v.fields(), func(f value) bool { return !take(f.name) })
	for _, f := range append(below.fields(), own...) {
		raw[f.name], at.kids[f.name] = f.raw, f.at
	}
	return value{raw: raw, name: v.name, path: v.path, at: at, report: v.report}
}

// adopt takes over what was found in a merged table, without what the service
// has been told already.
func (v value) adopt(base value, found *report) {
	for _, p := range found.problems {
		rest := strings.TrimPrefix(p.Key, v.path)
		if v.owns(rest) || !slices.ContainsFunc(v.problems, func(q Problem) bool { return q.Key == base.path+rest && q.Text == p.Text }) {
			v.problems = append(v.problems, p)
		}
	}
	for _, r := range found.remarks {
		rest := strings.TrimPrefix(r.Text, v.path)
		if v.owns(rest) || !slices.ContainsFunc(v.remarks, func(q Remark) bool { return q.Text == base.path+rest }) {
			v.remarks = append(v.remarks, r)
		}
	}
}

// owns reports that a path below the table begins with a key of its own.
func (v value) owns(rest string) bool {
	return slices.ContainsFunc(v.fields(), func(f value) bool {
		after, ok := strings.CutPrefix(rest, "."+f.name)
		return ok && (after == "" || strings.ContainsAny(after[:1], ".:["))
	})
}

// NeedsProcess reports that a process made by one of two configurations of a
// service is not what the other would make.
func NeedsProcess(old, next *Service) bool {
	return slices.ContainsFunc(compareTables(serviceKeys, old, next, "service.x"), func(d Difference) bool { return d.Effect == EffectProcesses })
}
