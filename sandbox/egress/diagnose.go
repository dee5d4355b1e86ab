package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Finding is one thing that network = "private" needs of the host.
type Finding struct {
	Name     string
	NeededBy string
	OK       bool
	Detail   string // what was found, or why it is missing
	HowToGet string // "" when OK
}

const neededBy = `network = "private"`

// Diagnose tries everything that tenants need to reach the internet, in network
// namespaces that it makes for that: the host is left as it was.
func Diagnose() []Finding {
	forwarding, missing := tryForwarding()
	return []Finding{
		finding("veth pairs", "one joined two namespaces", tryVeth(), "run as root; modprobe veth"),
		finding("nftables", "a table like the daemon's", tryTable(), "run as root; modprobe nf_tables nft_masq nft_reject_inet nft_ct nft_connlimit (Linux 5.2 or later)"),
		finding("IPv4 forwarding", forwarding, missing, "sysctl -w net.ipv4.ip_forward=1, or a writable /proc/sys"),
		tryFirewall(),
	}
}

func finding(name, found string, missing error, howToGet string) Finding {
	f := Finding{Name: name, NeededBy: neededBy, OK: missing == nil, Detail: found}
	if missing != nil {
		f.Detail, f.HowToGet = missing.Error(), howToGet
	}
	return f
}

// tryVeth joins two namespaces as a tenant's is joined to the host.
func tryVeth() error {
	return between(func(host, tenant *os.File) error {
		return inside(int(host.Fd()), func() error {
			c, err := dialRtnetlink()
			if err != nil {
				return err
			}
			defer c.Close()
			return c.addVeth(anyTenant, inner, int(tenant.Fd()))
		})
	})
}

// tryTable writes the daemon's own table where nobody sees it.
func tryTable() error {
	return between(func(host, _ *os.File) error {
		return inside(int(host.Fd()), func() error {
			return newTable("probe", anyTenant, measuring).install()
		})
	})
}

func between(fn func(a, b *os.File) error) error {
	a, err := scratch()
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := scratch()
	if err != nil {
		return err
	}
	defer b.Close()
	return fn(a, b)
}

// tryForwarding tells whether the host forwards, or lets itself be told to.
func tryForwarding() (found string, missing error) {
	if on, err := forwards("all"); on || err != nil {
		return "net.ipv4.ip_forward is 1", err
	}
	f, err := os.OpenFile(ipv4Conf+"lo/forwarding", os.O_WRONLY, 0)
	if err != nil {
		return "", fmt.Errorf("net.ipv4.ip_forward is 0 and cannot be set for single interfaces: %w", err)
	}
	return "net.ipv4.ip_forward is 0, the daemon switches it on for tenants alone", f.Close()
}

var errSilent = errors.New("nothing comes through")

// tryFirewall sends a packet from one namespace to another by way of the host,
// as a tenant's would go, and looks who may have taken it.
func tryFirewall() Finding {
	const name = "packets pass the host's firewall"
	err := between(sendThrough)
	if err == nil || !errors.Is(err, errSilent) {
		return finding(name, "one went from namespace to namespace", err, "see the lines above")
	}
	detail, howToGet := suspect()
	return Finding{Name: name, NeededBy: neededBy, Detail: detail, HowToGet: howToGet}
}

// measuring is for measurements of networks (RFC 2544), and so nobody's.
var measuring = netip.MustParsePrefix("198.18.0.0/15")

// sendThrough connects both namespaces to the host and sends from a to b. The
// addresses differ from those of another probe.
func sendThrough(a, b *os.File) error {
	c, err := dialRtnetlink()
	if err != nil {
		return err
	}
	defer c.Close()
	var target netip.Addr
	for _, netns := range []*os.File{a, b} {
		info, err := netns.Stat()
		if err != nil {
			return err
		}
		number := info.Sys().(*syscall.Stat_t).Ino // of no other namespace
		name := anyTenant + "p" + strconv.FormatUint(number, 36)
		host, tenant := pair(measuring, uint32(number))
		if err := c.addVeth(name, inner, int(netns.Fd())); err != nil {
			return fmt.Errorf("cannot make a veth pair: %w", err)
		}
		defer func() {
			if index, err := c.index(name); err == nil {
				_ = c.remove(index) // goes with its namespace at the latest
			}
		}()
		if err := setUp(c, name, host); err != nil {
			return err
		}
		if err := inside(int(netns.Fd()), func() error { return setUpInside(host.Addr(), tenant) }); err != nil {
			return err
		}
		if _, err := c.index(name); err != nil { // see attach
			return err
		}
		target = tenant.Addr()
	}
	return sendProbe(a, b, target)
}

// probes are sent in a row: a new link may be silent for a second, see attach.
const (
	probes       = 10
	probeTimeout = 200 // milliseconds, for each
)

func sendProbe(a, b *os.File, target netip.Addr) error {
	receiver, err := probeSocket(b)
	if err != nil {
		return err
	}
	defer unix.Close(receiver)
	if err := unix.Bind(receiver, &unix.SockaddrInet4{}); err != nil { // a low port of its own takes CAP_NET_BIND_SERVICE
		return err
	}
	bound, err := unix.Getsockname(receiver)
	if err != nil {
		return err
	}
	sender, err := probeSocket(a)
	if err != nil {
		return err
	}
	defer unix.Close(sender)
	for range probes {
		to := &unix.SockaddrInet4{Port: bound.(*unix.SockaddrInet4).Port, Addr: target.As4()}
		if err := unix.Sendto(sender, []byte{0}, 0, to); err != nil && !errors.Is(err, unix.EHOSTUNREACH) {
			return fmt.Errorf("cannot send through the host: %w", err)
		}
		ready := []unix.PollFd{{Fd: int32(receiver), Events: unix.POLLIN}}
		if n, _ := unix.Poll(ready, probeTimeout); n > 0 {
			return nil
		}
	}
	return errSilent
}

func probeSocket(netns *os.File) (fd int, err error) {
	err = inside(int(netns.Fd()), func() error {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	return fd, err
}
