package actors

// unhealthyAfter is how many failed checks in a row end a tenant's process.
const unhealthyAfter = 3

// health is what the checks of one generation have found. The zero value is
// that of a tenant with a health path that was not checked yet.
type health struct {
	always  bool // no health path: healthy while it lives
	checked bool
	failed  int // in a row
}

// passed and missed give the health after one more check.
func (h health) passed() health { return health{always: h.always, checked: true} }

func (h health) missed() health {
	return health{always: h.always, checked: true, failed: h.failed + 1}
}

// unhealthy reports that the process is to be replaced.
func (h health) unhealthy() bool { return h.failed >= unhealthyAfter }

func (h health) String() string {
	switch {
	case h.unhealthy():
		return "unhealthy"
	case h.failed > 0:
		return "degraded"
	case h.always, h.checked:
		return "healthy"
	}
	return "unknown"
}
