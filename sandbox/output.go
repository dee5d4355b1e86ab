package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"
)

const (
	// chunkSize is the most that is read of one stream before the others have
	// their turn.
	chunkSize = 64 << 10
	// pipeSize is what the kernel holds for a stream while the daemon is busy,
	// or down; the most that an ordinary user may ask for.
	pipeSize = 1 << 20
)

// output is the daemon's end of one stream of a process.
type output struct {
	stream Stream
	fd     int // -1: closed, or lost with a former daemon
	token  uint64
}

// enlarge asks for a bigger pipe; the kernel's 64 KB will do if users' pipes
// take too much memory already.
func (o *output) enlarge() { _, _ = unix.FcntlInt(uintptr(o.fd), unix.F_SETPIPE_SZ, pipeSize) }

// read passes on one chunk. The descriptor stays ready while there is more, and
// the kernel puts it behind the other ready ones: a flood starves nobody.
func (p *Process) read(o *output, token uint64) int {
	n, err := unix.Read(o.fd, p.engine.buffer[:])
	if err != nil {
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			p.engine.log.Error().Err(err).Str("tenant", p.spec.Name).Msg("cannot read a tenant's output any more")
			p.engine.loop.remove(o.fd, token)
		}
		return 0
	}
	if n > 0 {
		p.events.Output(o.stream, p.engine.buffer[:n])
	}
	return n
}

// drain passes on what a dead process left in its pipe. A grandchild may still
// write, so no more is read than a pipe can hold.
func (p *Process) drain(o *output) {
	for total := 0; o.fd >= 0 && total < pipeSize; {
		n := p.read(o, o.token)
		if n == 0 {
			return
		}
		total += n
	}
}

// closeOutputs is for the loop, and for after it has ended.
func (p *Process) closeOutputs() {
	for i := range p.outputs {
		if o := &p.outputs[i]; o.fd >= 0 {
			p.engine.loop.remove(o.fd, o.token)
			unix.Close(o.fd)
			o.fd = -1
		}
	}
}
