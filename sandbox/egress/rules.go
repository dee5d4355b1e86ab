package egress

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// addRules is the policy. What is refused gets an answer, or programs that look
// for a metadata service would wait for minutes.
func (t *table) addRules(c chains) {
	prefix, p := t.prefix, t.own
	notFromTenant := interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, prefix)
	toTenant := interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, prefix)
	notToTenant := interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, prefix)
	accept, drop := verdict(expr.VerdictAccept), verdict(expr.VerdictDrop)

	// A reset, because the kernel sends one ICMP error a second and no more.
	refuse := c.chain("refuse")
	c.rule(refuse, protocol(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	c.rule(refuse, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}})

	// A tenant sends as itself, keeps no more connections than the host can bear,
	// and reaches whatever its service is allowed.
	sent := c.chain("sent")
	c.rule(sent, isIPv6(), goTo(refuse))
	c.rule(sent, source(expr.CmpOpNeq, p), drop)
	c.rule(sent, isStray(), drop)
	c.rule(sent, isNew(), isOneTooMany(t.counted), goTo(refuse))
	c.rule(sent, protocol(unix.IPPROTO_TCP), isAllowed(t.allowed), accept)

	input := c.hook("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	c.rule(input, notFromTenant, accept)
	c.rule(input, jump(sent))
	c.rule(input, goTo(refuse))

	forward := c.hook("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	c.rule(forward, inputIn(t.guarded), interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, anyTenant), drop)
	c.rule(forward, notFromTenant, notToTenant, accept)
	c.rule(forward, isReply(), accept)
	c.rule(forward, toTenant, goTo(refuse))
	c.rule(forward, jump(sent))
	c.rule(forward, destinationIn(t.closed), goTo(refuse))

	output := c.hook("output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityFilter)
	c.rule(output, notToTenant, accept)
	c.rule(output, isReply(), accept)
	c.rule(output, goTo(refuse))

	nat := c.hook("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	c.rule(nat, isIPv4(), source(expr.CmpOpEq, p), notToTenant, []expr.Any{&expr.Masq{}})
}

// chains adds chains and rules to a transaction.
type chains struct {
	*nftables.Conn
	table *nftables.Table
}

func (c chains) chain(name string) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Name: name, Table: c.table})
}

func (c chains) hook(name string, kind nftables.ChainType, at *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Name: name, Table: c.table, Type: kind, Hooknum: at, Priority: priority})
}

func (c chains) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: c.table, Chain: chain}
	for _, part := range parts {
		r.Exprs = append(r.Exprs, part...)
	}
	c.AddRule(r)
}
