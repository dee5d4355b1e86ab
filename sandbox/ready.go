package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Ready waits until the process listens where its Spec says and gives the
// address; a socket that was passed in listens from the start. It never
// connects. It fails with an ExitedError when the process ends first, and when
// ctx does with what the process did instead, as far as that shows.
func (p *Process) Ready(ctx context.Context) (Endpoint, error) {
	found := p.socketEndpoint()
	if p.spec.Listen != ListenFD {
		var err error
		if found, err = p.awaitListener(ctx); err != nil {
			return Endpoint{}, err
		}
	}
	p.mu.Lock()
	p.endpoint = found
	p.mu.Unlock()
	return found, nil
}

// Listens waits until somebody of the process's tree is seen listening, with a
// socket that was passed in as well. It fails as Ready does.
func (p *Process) Listens(ctx context.Context) error {
	_, err := p.awaitListener(ctx)
	return err
}

func (p *Process) awaitListener(ctx context.Context) (Endpoint, error) {
	created, unwatch := p.watchSocket()
	defer unwatch()
	begin := time.Now()
	for {
		found, squatter := p.look()
		if found != (Endpoint{}) {
			return found, nil
		}
		wait := pause(time.Since(begin))
		if created != nil && p.spec.Port == 0 && !p.exists(p.spec.Socket) {
			wait = forever // until inotify says that it was bound; nothing tells of listen, which follows
		}
		err := p.doze(ctx, created, wait)
		if errors.Is(err, ErrExited) {
			return Endpoint{}, err
		}
		if err != nil {
			return Endpoint{}, fmt.Errorf("%s: %w", p.notReady(squatter), err)
		}
	}
}

// forever stands for no timer at all.
const forever time.Duration = -1

func (p *Process) exists(path string) bool {
	_, err := p.socketPlace().stat(path)
	return err == nil
}

// watchSocket gives a channel that tells when something appears beside the
// socket's path. Where the directory cannot be watched (it is not there yet, or users' watches are used
// up) the looks alone must do: nil.
func (p *Process) watchSocket() (<-chan struct{}, func()) {
	if p.spec.Socket == "" {
		return nil, func() {}
	}
	one, err := p.watchDir(filepath.Dir(p.spec.Socket))
	if err != nil {
		p.engine.log.Debug().Err(err).Str("tenant", p.spec.Name).Msg("looking for a socket without inotify")
		return nil, func() {}
	}
	return one.C, func() { p.engine.watches.remove(one) }
}

// watchDir watches a directory as the process sees it.
func (p *Process) watchDir(path string) (*watch, error) {
	place := p.socketPlace()
	if place == nil {
		return p.engine.watches.add(path)
	}
	dir, err := place.open(path, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return p.engine.watches.add("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
}

// doze waits for news, wait at most. Go's timers are no finer than a
// millisecond, a thread's sleep is: short waits are slept through.
func (p *Process) doze(ctx context.Context, created <-chan struct{}, wait time.Duration) error {
	var timer <-chan time.Time
	switch {
	case wait == forever:
	case wait < time.Millisecond:
		nap := unix.NsecToTimespec(wait.Nanoseconds())
		_ = unix.Nanosleep(&nap, nil) // interrupted: one look more
		timer = expired
	default:
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-p.done:
		return p.exitedError()
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	select {
	case <-p.done:
		return p.exitedError()
	case <-ctx.Done():
		return ctx.Err()
	case <-created:
	case <-timer:
	}
	return nil
}

// expired is a timer that has run out.
var expired = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

func (p *Process) exitedError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &ExitedError{Name: p.spec.Name, Status: p.status}
}

// notReady says what was waited for, and who is in the way.
func (p *Process) notReady(squatter tcpSocket) string {
	if squatter.inode != 0 {
		return fmt.Sprintf("port %d is taken by %s, not by %s", p.spec.Port, ownerOf(squatter), p.spec.Name)
	}
	var places []string
	if p.spec.Socket != "" {
		places = append(places, p.spec.Socket)
	}
	if p.spec.Port != 0 {
		places = append(places, "port "+strconv.Itoa(p.spec.Port))
	}
	return fmt.Sprintf("%s does not listen on %s", p.spec.Name, strings.Join(places, " or "))
}
