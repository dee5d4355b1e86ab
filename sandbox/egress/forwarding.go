package egress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// ipv4Conf and ipv6Conf hold a directory of switches for each interface.
const (
	ipv4Conf = "/proc/sys/net/ipv4/conf/"
	ipv6Conf = "/proc/sys/net/ipv6/conf/"
)

// settling is left to the kernel before a look: it tells of ip_forward first and
// sets the interfaces' switches then.
const settling = 50 * time.Millisecond

// The attributes of a netconf message, see linux/netconf.h.
const (
	netconfHeader     = 4
	netconfIfindex    = 1
	netconfForwarding = 2
	allInterfaces     = -1
)

// forwarding sees to it that the host forwards for tenants. IPv4 forwarding is a
// switch of each interface that packets come in by, and answers to tenants come
// in by the host's uplinks; net.ipv4.ip_forward sets all switches at once. Where
// that is off, those of the uplinks are switched on and guarded by the table:
// nothing but what is a tenant's is forwarded, so what the operator switched off
// stays off. A goroutine follows what changes.
type forwarding struct {
	log     zerolog.Logger
	table   *table
	news    *netlink.Conn
	ended   chan struct{}
	uplinks map[int]string // of the last look; the monitor's while it runs
}

// watchForwarding looks at once, and again whenever something changes, until
// close.
func watchForwarding(t *table, log zerolog.Logger) (*forwarding, error) {
	news, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		Groups: 1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV4_NETCONF-1),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot follow the kernel's routing: %w", err)
	}
	f := &forwarding{log: log, table: t, news: news, ended: make(chan struct{})}
	if err := f.update(); err != nil {
		return nil, errors.Join(err, f.restore(), news.Close())
	}
	go f.monitor() // ended by close
	return f, nil
}

func (f *forwarding) monitor() {
	defer close(f.ended)
	said := ""
	for {
		messages, err := f.news.Receive()
		switch lost := errors.Is(err, unix.ENOBUFS); {
		case err != nil && !lost: // closed
			return
		case !lost && !slices.ContainsFunc(messages, f.matters):
			continue
		}
		time.Sleep(settling)
		err = f.update()
		if err != nil && err.Error() != said {
			f.log.Error().Err(err).Msg("tenants may not reach the internet")
		}
		said = fmt.Sprint(err)
	}
}

// matters tells news about the host from what our own links make.
func (f *forwarding) matters(m netlink.Message) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE:
		r, ok, err := parseRoute(m)
		return err == nil && ok && !(r.to.Bits() > 0 && f.table.own.Overlaps(r.to))
	case unix.RTM_NEWNETCONF:
		index, ok := parseNetconf(m)
		return ok && (index == allInterfaces || f.uplinks[index] != "")
	}
	return false
}

// parseNetconf reads whose switch of forwarding was thrown.
func parseNetconf(m netlink.Message) (index int, ok bool) {
	attributes, err := attributesOf(m, netconfHeader)
	if err != nil {
		return 0, false
	}
	for attributes.Next() {
		switch attributes.Type() {
		case netconfIfindex:
			index = int(attributes.Int32())
		case netconfForwarding:
			ok = true
		}
	}
	return index, ok && attributes.Err() == nil
}

// update brings switches and guards to what they have to be.
func (f *forwarding) update() error {
	all, err := forwards("all")
	if err != nil {
		return fmt.Errorf("cannot read whether this host forwards: %w", err)
	}
	if all { // the operator's own doing
		if err := f.table.unguard(); err != nil {
			return fmt.Errorf("cannot let the host forward: %w", err)
		}
		return nil
	}
	uplinks, ours, err := f.look()
	if err != nil {
		return fmt.Errorf("cannot look at the host's routes: %w", err)
	}
	f.uplinks = uplinks
	for _, name := range ours { // ip_forward = 0 was written again
		if err := forward(name, true); err != nil {
			return err
		}
	}
	for _, name := range uplinks {
		if err := f.switchOn(name); err != nil {
			return err
		}
	}
	return nil
}

// switchOn guards first: nothing slips through.
func (f *forwarding) switchOn(name string) error {
	if on, err := forwards(name); on || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := f.table.guard(name); err != nil {
		return fmt.Errorf("cannot guard the interface %s: %w", name, err)
	}
	f.log.Info().Str("interface", name).Msg("forwards for tenants, and for nobody else: net.ipv4.ip_forward is 0")
	return forward(name, true)
}

// look finds the host's uplinks, which have routes, and our own links.
func (f *forwarding) look() (uplinks map[int]string, ours []string, err error) {
	c, err := dialRtnetlink()
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	names, err := c.links()
	if err != nil {
		return nil, nil, err
	}
	routes, err := c.routes()
	if err != nil {
		return nil, nil, err
	}
	uplinks = map[int]string{}
	for _, r := range routes {
		for _, index := range r.links {
			if name := names[index]; name != "" && !strings.HasPrefix(name, anyTenant) {
				uplinks[index] = name
			}
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, f.table.prefix) {
			ours = append(ours, name)
		}
	}
	return uplinks, ours, nil
}

// close ends the monitor and switches off what was switched on.
func (f *forwarding) close() error {
	err := f.news.Close()
	<-f.ended
	return errors.Join(err, f.restore())
}

func (f *forwarding) restore() error {
	if all, err := forwards("all"); all || err != nil {
		return err
	}
	var errs []error
	for _, name := range f.table.guardedNames() {
		errs = append(errs, forward(name, false))
	}
	return errors.Join(errs...)
}

// forwards reports whether what comes in by an interface is forwarded.
func forwards(name string) (bool, error) {
	text, err := os.ReadFile(ipv4Conf + name + "/forwarding")
	return strings.TrimSpace(string(text)) == "1", err
}

// forward sets the switch of an interface, unless that is gone.
func forward(name string, on bool) error {
	value := map[bool]string{true: "1", false: "0"}[on]
	err := setSwitch(ipv4Conf+name+"/forwarding", value)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// setSwitch writes a file of /proc/sys that has to be there.
func setSwitch(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cannot set a switch of the kernel: %w", err)
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot set a switch of the kernel: %w", err)
	}
	return nil
}
