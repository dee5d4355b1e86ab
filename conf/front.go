package conf

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Front is what a service asks of the door before it: limits on what visitors
// send and hold, what they are shown when there is no answer, and what is noted
// of them.
type Front struct {
	MaxBody        int64          // bytes of a request's body; 0 = no limit
	MaxConnections int            // to one of its processes at a time; 0 = as many as there are requests
	MaxUpgrades    int            // WebSockets and the like of one tenant, at a time; 0 = no limit
	WakePageAfter  time.Duration  // how long a request waits for a start until it is answered with the wake page; 0 = to its end
	ErrorPages     map[int]string // status -> file of HTML, absolute
	AccessLog      float64        // the share of its requests that is written to the access log
}

var frontKeys = []key[Service]{
	// Bodies pass through without being kept: how large is the app's to say.
	row("max_body_mb", megabytes(0, 1<<30), 0, func(s *Service) *int64 { return &s.Front.MaxBody }),
	// An app that serves one connection at a time is found out (edge/conns.go);
	// setting it spares the finding out.
	row("max_connections", whole[int](0, math.MaxInt32), 0, func(s *Service) *int { return &s.Front.MaxConnections }),
	// One tenant's visitors must not use up the descriptors of all.
	row("max_upgrades", whole[int](0, math.MaxInt32), 1000, func(s *Service) *int { return &s.Front.MaxUpgrades }),
	// The app's own page, a little later, is what a visitor came for.
	row("wake_page_after", seconds(0), 0, func(s *Service) *time.Duration { return &s.Front.WakePageAfter }),
	row("error_pages", errorPages, nil, func(s *Service) *map[int]string { return &s.Front.ErrorPages }),
	// Who visits is nobody's business until somebody needs to know.
	row("access_log", number(0, 1, "parts of all requests"), 0, func(s *Service) *float64 { return &s.Front.AccessLog }),
}

// pageStatuses are those that the edge answers with in a tenant's place.
var pageStatuses = []int{404, 413, 502, 503, 504}

// errorPages reads status = "file.html".
func errorPages(v value) (map[int]string, bool) {
	pages, all := map[int]string{}, true
	for _, f := range v.table() {
		status, err := strconv.Atoi(f.name)
		if err != nil || !slices.Contains(pageStatuses, status) {
			f.fail("is none of %s, which have pages", strings.Trim(fmt.Sprint(pageStatuses), "[]"))
			all = false
			continue
		}
		file, ok := absolute(f)
		if all = all && ok; !ok {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			f.remark("until that file is there, visitors see plain text: %v", err)
		}
		pages[status] = file
	}
	return pages, all
}
