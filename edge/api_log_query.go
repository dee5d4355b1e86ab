package edge

import (
	"net/http"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
)

// An expression takes time in proportion to the text and to the steps it is
// compiled to, whatever a stranger writes into it: both it and they are bounded.
const (
	maxGrep      = 1000 // bytes
	maxGrepSteps = 500
)

// queryRegexp reads the expression that lines are to match; nil when there is none.
func queryRegexp(r *apiRequest) (*regexp.Regexp, *Reply) {
	text := r.Query.Get("grep")
	if text == "" {
		return nil, nil
	}
	if len(text) > maxGrep {
		return nil, refusep(http.StatusBadRequest, "grep: the expression is %d bytes long, at most %d are taken", len(text), maxGrep)
	}
	match, err := regexp.Compile(text)
	if err != nil {
		return nil, refusep(http.StatusBadRequest, "grep=%s: %v (RE2 syntax is expected)", clipText(text), err)
	}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil {
		if steps, err := syntax.Compile(tree.Simplify()); err == nil && len(steps.Inst) > maxGrepSteps {
			return nil, refusep(http.StatusBadRequest, "grep=%s: it is too complex: %d steps, at most %d are taken", clipText(text), len(steps.Inst), maxGrepSteps)
		}
	}
	return match, nil
}

// maxAgo is longer than any log is kept.
const maxAgo = 100 * 365 * 24 * time.Hour

// queryTime reads a moment: RFC 3339, milliseconds since 1970 as in answers, or
// how long ago (90s, 15m, 2h, 3d); zero when it is not given.
func queryTime(r *apiRequest, param string) (time.Time, *Reply) {
	text := r.Query.Get(param)
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return time.UnixMilli(ms), nil
	}
	if ago, ok := parseAgo(text); ok {
		return time.Now().Add(-ago), nil
	}
	return time.Time{}, refusep(http.StatusBadRequest, "%s=%s: a time like 2026-11-25T12:00:00Z, or how long ago like 15m, 2h or 3d, is expected", param, clipText(text))
}

// parseAgo reads a duration, with days.
func parseAgo(text string) (time.Duration, bool) {
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= int(maxAgo/(24*time.Hour))
	}
	ago, err := time.ParseDuration(text)
	return ago, err == nil && ago >= 0 && ago <= maxAgo
}
