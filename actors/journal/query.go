package journal

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"time"

	"tenement/conf"
	"tenement/sandbox"
)

// What one query may give.
const (
	defaultLimit   = 100
	maxLimit       = 10_000
	maxResultBytes = 16 << 20
)

// Query says which entries are wanted. The zero value means all of them.
type Query struct {
	Name    *conf.Instance // nil = all tenants
	Service string         // "" = all services
	Stream  sandbox.Stream // 0 = both
	Search  string         // a substring of the message, case counts; "" = any. The parts of a long line are searched each by itself
	Match   *regexp.Regexp // of the message, as Search; nil = any
	Since   time.Time      // not before this; zero = from the beginning
	Until   time.Time      // before this; zero = to the end
	Limit   int            // 0 or less = 100; at most 10 000
}

// wants reports whether an entry matches.
func (q *Query) wants(name conf.Instance, stream sandbox.Stream, message []byte) bool {
	return (q.Name == nil || *q.Name == name) &&
		(q.Service == "" || q.Service == name.Service) &&
		(q.Stream == 0 || q.Stream == stream) &&
		(q.Search == "" || bytes.Contains(message, []byte(q.Search))) &&
		(q.Match == nil || q.Match.Match(message))
}

// span is the time that a query is about, in the form of stored stamps, which
// sort as their times do; "" = no bound.
type span struct{ since, until, enough string }

// jump is by how much a clock may have been set back without hiding lines: what
// was written earlier than a line which is that much too old is not looked at.
const jump = time.Hour

func (q *Query) span() span {
	stored := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(stampForm)
	}
	in := span{since: stored(q.Since), until: stored(q.Until)}
	if in.since != "" {
		in.enough = stored(q.Since.Add(-jump))
	}
	return in
}

func (s span) holds(stamp []byte) bool {
	return string(stamp) >= s.since && (s.until == "" || string(stamp) < s.until)
}

// Query gives the last Limit entries that match, or as many of them as come to
// 16 MB, oldest first: those of one tenant in the order in which they were
// written, those of several by time. The error is the context's, or names the
// log that cannot be read; a tenant without a log has no entries.
func (j *Journal) Query(ctx context.Context, q Query) ([]Entry, error) {
	r := &result{limit: q.Limit}
	if r.limit <= 0 {
		r.limit = defaultLimit
	}
	r.limit = min(r.limit, maxLimit)
	names, err := j.names(q)
	if err != nil {
		return nil, fmt.Errorf("cannot list the logs: %w", err)
	}
	for _, name := range names {
		if err := j.collect(ctx, name, &q, r); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			return nil, fmt.Errorf("cannot read the log of %s: %w", name, err)
		}
		r.merge()
	}
	return r.entries, nil
}

// names are the tenants that a query is about.
func (j *Journal) names(q Query) ([]conf.Instance, error) {
	if q.Name != nil {
		return []conf.Instance{*q.Name}, nil
	}
	root, err := os.OpenRoot(j.dir)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	services := []string{q.Service}
	if q.Service == "" {
		if services, err = directories(root, "."); err != nil {
			return nil, err
		}
	}
	var names []conf.Instance
	for _, service := range services {
		ids, err := directories(root, service)
		if err != nil && !gone(err) {
			return nil, err
		}
		for _, id := range ids {
			if name, err := conf.NewInstance(service, id); err == nil && name == (conf.Instance{Service: service, ID: id}) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// directories lists the directories in a directory, not the links to any.
func directories(root *os.Root, at string) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), at)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() })
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, err
}

// collect adds the newest entries of one tenant that match, newest first.
func (j *Journal) collect(ctx context.Context, name conf.Instance, q *Query, r *result) error {
	if q.Service != "" && q.Service != name.Service {
		return nil
	}
	d, err := j.openDir(name, false)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.segments()
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(list) {
		f, err := d.Open(s.String())
		if gone(err) { // rotated away meanwhile
			continue
		}
		if err != nil {
			return err
		}
		more, err := scan(ctx, &backward{file: f, at: s.size, unfinished: true}, name, q, r)
		f.Close()
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// scan adds the entries of one segment that match; false when r has enough.
func scan(ctx context.Context, b *backward, name conf.Instance, q *Query, r *result) (more bool, err error) {
	in := q.span()
	for {
		line, err := b.line(ctx)
		if line == nil || err != nil {
			return err == nil, err
		}
		s, ok := parseStored(line)
		if ok && string(s.stamp) < in.enough {
			return false, nil
		}
		if !ok || !in.holds(s.stamp) || !q.wants(name, s.stream, s.message) {
			continue
		}
		if e, ok := s.entry(name); ok && !r.add(e) {
			return false, nil
		}
	}
}

// result is the entries of the tenants looked at so far.
type result struct {
	limit   int
	entries []Entry // oldest first
	bytes   int     // of their messages
	tenant  []Entry // newest first: of the tenant that is being looked at
	its     int     // bytes of these
}

// add takes the next older entry of a tenant; false when no older one can be
// among the last Limit.
func (r *result) add(e Entry) bool {
	full := len(r.entries) >= r.limit && e.Time.Before(r.entries[0].Time)
	if full || len(r.tenant) >= r.limit || len(r.tenant) > 0 && r.its+len(e.Message) > maxResultBytes {
		return false
	}
	r.tenant = append(r.tenant, e)
	r.its += len(e.Message)
	return true
}

// merge puts the tenant's entries among the others and lets go of the oldest.
func (r *result) merge() {
	slices.Reverse(r.tenant)
	several := len(r.entries) > 0 && len(r.tenant) > 0
	r.entries = append(r.entries, r.tenant...)
	r.bytes += r.its
	r.tenant, r.its = r.tenant[:0], 0
	if several {
		slices.SortStableFunc(r.entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	}
	surplus := 0
	for left := len(r.entries); left > r.limit || r.bytes > maxResultBytes && left > 1; left-- {
		r.bytes -= len(r.entries[surplus].Message)
		surplus++
	}
	r.entries = slices.Delete(r.entries, 0, surplus)
}
