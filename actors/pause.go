package actors

// A use that goes on for long without doing anything, like a WebSocket that only
// pings, must not keep its tenant awake: it steps outside while it is quiet.

// Pause ends a use that Enter or Host.Wake began, for the time being. It is
// followed by Resume or by Absent; by neither when the use was no request.
func (d *Door) Pause() {
	d.lastUsed.Store(stamp())
	d.out()
}

// Resume makes a paused use count again, until Pause or Leave. False: the tenant
// cannot serve now, the use stays paused.
func (d *Door) Resume() bool {
	d.inflight.Add(1)
	if d.way.Load() == nil {
		d.out()
		return false
	}
	return true
}

// Absent ends a use that is paused: Leave for one who is outside already.
func (d *Door) Absent() { d.requests.Add(1) }
