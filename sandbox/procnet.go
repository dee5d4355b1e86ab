package sandbox

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// procUnix is diag.listening by /proc/net/unix.
func procUnix(proc string, inode uint32) (unixSocket, bool) {
	data, err := os.ReadFile(proc + "/unix")
	if err != nil {
		return unixSocket{}, false
	}
	return findUnix(string(data), inode)
}

func findUnix(table string, inode uint32) (found unixSocket, listens bool) {
	listens = anyUnix(table, func(number uint64, s unixSocket) bool {
		found = s
		return number == uint64(inode)
	})
	if !listens {
		return unixSocket{}, false
	}
	return found, true
}

// anyUnix tries those that listen, by inode, of a table with lines of "Num:
// RefCount Protocol Flags Type St Inode Path".
func anyUnix(table string, test func(inode uint64, s unixSocket) bool) bool {
	for line := range strings.Lines(table) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 2)
		if len(fields) < 2 {
			continue
		}
		columns := strings.Fields(fields[1])
		if len(columns) < 6 {
			continue
		}
		flags, err := strconv.ParseUint(columns[2], 16, 32)
		const accepts = 1 << 16 // __SO_ACCEPTCON: it listens
		if err != nil || flags&accepts == 0 {
			continue
		}
		inode, err := strconv.ParseUint(columns[5], 10, 64)
		_, name, _ := strings.Cut(line, " "+columns[5]+" ")
		if err == nil && test(inode, unixSocket{name: strings.TrimSuffix(name, "\n")}) {
			return true
		}
	}
	return false
}

// procTCP is diag.listener by /proc/net/tcp and tcp6.
func procTCP(proc string, address netip.AddrPort) tcpSocket {
	file := proc + "/tcp"
	if address.Addr().Is6() {
		file = proc + "/tcp6"
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return tcpSocket{} // no IPv6 here
	}
	return findTCP(string(data), address)
}

// findTCP takes a listener on the address itself or on all addresses. It sees
// one family only: a dual-stack listener is found as [::1], which it serves too.
func findTCP(table string, address netip.AddrPort) tcpSocket {
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) < 10 || columns[3] != "0A" {
			continue
		}
		local, ok := parseHexAddress(columns[1])
		if !ok || local.Port() != address.Port() || local.Addr() != address.Addr() && !local.Addr().IsUnspecified() {
			continue
		}
		user, errUser := strconv.ParseUint(columns[7], 10, 32)
		inode, errInode := strconv.ParseUint(columns[9], 10, 32)
		if errUser == nil && errInode == nil {
			return tcpSocket{inode: uint32(inode), user: uint32(user)}
		}
	}
	return tcpSocket{}
}

// parseHexAddress reads "0100007F:1F90": 32-bit words in the machine's order.
func parseHexAddress(s string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for word := raw; len(word) > 0; word = word[4:] {
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	address, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address, uint16(port)), true
}
