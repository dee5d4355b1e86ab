package egress

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The parts of rules. Registers 1, 9 and 10 are the first three of 32 bits each:
// a set of three parts is looked up from there.
const (
	register       = 1
	secondRegister = unix.NFT_REG32_01
	thirdRegister  = unix.NFT_REG32_02
)

// maxTracked is how many connections a tenant has at once, to anywhere.
const maxTracked = 4096

// Offsets in an IPv4 and a TCP header.
const (
	sourceAt      = 12
	destinationAt = 16
	portAt        = 2
)

func meta(key expr.MetaKey, op expr.CmpOp, data ...byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: register}, &expr.Cmp{Op: op, Register: register, Data: data}}
}

// interfaceName compares the beginning of a name: the kernel compares as many
// bytes as it is given.
func interfaceName(key expr.MetaKey, op expr.CmpOp, prefix string) []expr.Any {
	return meta(key, op, []byte(prefix)...)
}

func protocol(number byte) []expr.Any { return meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, number) }
func isIPv4() []expr.Any              { return meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, unix.NFPROTO_IPV4) }
func isIPv6() []expr.Any              { return meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, unix.NFPROTO_IPV6) }

// isReply matches packets of connections that were let pass, and errors of them.
func isReply() []expr.Any { return state(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED) }

// isStray matches what belongs to no connection and begins none: it would leave
// without having been masqueraded.
func isStray() []expr.Any { return state(expr.CtStateBitINVALID) }

// isNew matches the first packet of a connection.
func isNew() []expr.Any { return state(expr.CtStateBitNEW) }

// isOneTooMany counts the connections of a sender. Those of all are in one
// table of the kernel's, and the host's own are among them.
func isOneTooMany(set *nftables.Set) []expr.Any {
	const over = 1 // NFT_CONNLIMIT_F_INV
	return []expr.Any{
		address(sourceAt, register),
		&expr.Dynset{
			SrcRegKey: register, SetName: set.Name, SetID: set.ID, Operation: unix.NFT_DYNSET_OP_ADD,
			Exprs: []expr.Any{&expr.Connlimit{Count: maxTracked, Flags: over}},
		},
	}
}

func state(bits uint32) []expr.Any {
	none := make([]byte, 4)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: none},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: none},
	}
}

func address(at, into uint32) expr.Any {
	return &expr.Payload{DestRegister: into, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: net.IPv4len}
}

func source(op expr.CmpOp, p netip.Prefix) []expr.Any {
	return []expr.Any{
		address(sourceAt, register),
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: net.IPv4len, Mask: net.CIDRMask(p.Bits(), 32), Xor: make([]byte, net.IPv4len)},
		&expr.Cmp{Op: op, Register: register, Data: p.Addr().AsSlice()},
	}
}

func destinationIn(set *nftables.Set) []expr.Any {
	return []expr.Any{address(destinationAt, register), lookup(set)}
}

// isAllowed matches source, destination and TCP port against the set allowed.
func isAllowed(set *nftables.Set) []expr.Any {
	return []expr.Any{
		address(sourceAt, register), address(destinationAt, secondRegister),
		&expr.Payload{DestRegister: thirdRegister, Base: expr.PayloadBaseTransportHeader, Offset: portAt, Len: 2},
		lookup(set),
	}
}

func inputIn(set *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}, lookup(set)}
}

func lookup(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: register, SetName: set.Name, SetID: set.ID}
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func jump(to *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: to.Name}}
}

func goTo(to *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: to.Name}}
}
