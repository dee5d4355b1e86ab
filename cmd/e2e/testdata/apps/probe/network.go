package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkProbes go for whatever answers on a network that is not the tenant's.
// All of it is a stand-in in namespaces of the test's.
var networkProbes = []probe{
	{"port on the machine's loopback", "network", func(t *target) result { return askStandIn("127.0.0.1", t) }},
	{"port on the machine's own address", "network", func(t *target) result { return askStandIn(t.HostAddress, t) }},
	{"metadata address", "network", elsewhere("metadata")},
	{"private address 10/8", "network", elsewhere("10/8")},
	{"private address 172.16/12", "network", elsewhere("172.16/12")},
	{"private address 192.168/16", "network", elsewhere("192.168/16")},
	{"carrier's address 100.64/10", "network", elsewhere("100.64/10")},
	{"abstract socket of the machine", "network", func(t *target) result {
		return greeted(dial("unix", "@"+t.HostAbstract, ""), t.Nonce)
	}},
	{"Unix socket of the machine", "network", func(t *target) result { return greeted(dial("unix", t.HostSocket, ""), t.Nonce) }},
	{"raw socket", "network", family(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
	{"packet socket", "network", family(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{"change of an interface", "network", changeInterface},
	{"new interface", "network", func(*target) result {
		// One of no kind: refused, but only after the right to make one.
		m := message(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK, make([]byte, unix.SizeofIfInfomsg))
		return reached(netlink(unix.NETLINK_ROUTE, m), unix.EOPNOTSUPP, unix.EINVAL)
	}},
	{"firewall rules", "network", func(*target) result {
		const list = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE
		return attempt(netlink(unix.NETLINK_NETFILTER, message(list, unix.NLM_F_DUMP, []byte{0, 0, 0, 0})), unix.EPROTONOSUPPORT)
	}},
}

func askStandIn(address string, t *target) result {
	return greeted(dial("tcp", fmt.Sprintf("%s:%d", address, t.HostPort), ""), t.Nonce)
}

func elsewhere(name string) func(*target) result {
	return func(t *target) result { return greeted(dial("tcp", t.Elsewhere[name], ""), t.Nonce) }
}

// family opens a socket of a kind that no app needs.
func family(domain, kind, protocol int) func(*target) result {
	return func(*target) result {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return attempt(err, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT)
		}
		unix.Close(fd)
		return opened("has one")
	}
}

// changeInterface sets the flags of the loopback to what they are.
func changeInterface(*target) result {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return broken("%v", err)
	}
	request, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request)
	}
	if err != nil {
		return broken("%v", err)
	}
	return attempt(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}

// message makes one netlink message.
func message(kind, flags int, body []byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	native(m[0:], uint32(unix.SizeofNlMsghdr+len(body)))
	native(m[4:], uint32(kind)|uint32(flags|unix.NLM_F_REQUEST)<<16)
	return append(m, body...)
}

func native(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

// netlink sends one message and gives the error that the kernel answers with.
func netlink(protocol int, m []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err = unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < 20 {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if kind := uint16(answer[4]) | uint16(answer[5])<<8; kind != unix.NLMSG_ERROR {
		return nil
	}
	code := int32(uint32(answer[16]) | uint32(answer[17])<<8 | uint32(answer[18])<<16 | uint32(answer[19])<<24)
	if code == 0 {
		return nil
	}
	return unix.Errno(-code)
}
