package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// manager is the service manager that started the daemon and wants to hear from
// it (sd_notify(3)). A nil one hears nothing.
//
//	READY=1                  visitors are answered
//	RELOADING=1 … READY=1    the configuration is read again
//	WATCHDOG=1               the control socket was asked and answered
//	STOPPING=1               requests drain, tenants end
type manager struct {
	conn     *net.UnixConn
	watchdog time.Duration // how long it waits for a sign of life; 0 = it does not
	stopping atomic.Bool
	log      zerolog.Logger
}

// findManager gives the one that the environment names, and takes the variables
// out of it: they were meant for this process.
func findManager(log zerolog.Logger) *manager {
	path, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // Go reads a leading @
	if err != nil {
		log.Warn().Err(err).Msg("cannot reach the service manager that NOTIFY_SOCKET names: it is told nothing")
		return nil
	}
	m := &manager{conn: conn, log: log}
	if n, err := strconv.ParseInt(usec, 10, 64); err == nil && n > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(n) * time.Microsecond
	}
	return m
}

// tell sends lines of VARIABLE=value.
func (m *manager) tell(lines string) {
	if m == nil {
		return
	}
	if _, err := m.conn.Write([]byte(lines)); err != nil {
		m.log.Warn().Err(err).Msg("cannot tell the service manager: it may take this daemon for dead")
	}
}

func (m *manager) ready(status string) { m.tell("READY=1\nSTATUS=" + status) }

// reloading says that the configuration is being read; ready ends it.
func (m *manager) reloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail for this clock
	m.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d\nSTATUS=reading the configuration", now.Nano()/1000))
}

// stop says that the daemon ends by its own will. From here on it counts as
// alive: how long it may take is TimeoutStopSec's business.
func (m *manager) stop() {
	if m != nil {
		m.stopping.Store(true)
		m.tell("STOPPING=1\nSTATUS=ending the tenants")
	}
}

// watch gives a sign of life three times as often as it is waited for, each time
// that alive says so within that third, until the returned function is called.
func (m *manager) watch(alive func(context.Context) error) (stop func()) {
	if m == nil || m.watchdog == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ended by stop
		defer close(done)
		every := time.NewTicker(m.watchdog / 3)
		defer every.Stop()
		for {
			m.sign(ctx, alive)
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (m *manager) sign(ctx context.Context, alive func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, m.watchdog/3)
	defer cancel()
	err := alive(ctx)
	switch {
	case err == nil || m.stopping.Load():
		m.tell("WATCHDOG=1")
	case ctx.Err() != context.Canceled:
		m.log.Error().Err(err).Msg("the daemon does not answer itself: without that the service manager ends it")
	}
}

// alive asks the daemon by its control socket, as its own client.
func (d *daemon) alive(ctx context.Context) error {
	c := controlClient(filepath.Join(d.runDir, controlName), d.url)
	defer c.http.CloseIdleConnections()
	return c.call(ctx, http.MethodGet, "/health", nil, nil)
}

// status is what `systemctl status` shows of it.
func (d *daemon) status() string { return "serving " + d.url }
