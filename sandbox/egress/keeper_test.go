package egress

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Debian's nftables.service begins with it, whenever it is loaded.
func TestKeeper_AFlushedRulesetComesBack(t *testing.T) {
	w := newWorld(t, false)
	var log lines
	n := openNetwork(t, Options{Log: zerolog.New(&log)})
	tenant, link := attach(t, n)
	must(t, link.Allow([]netip.AddrPort{netip.MustParseAddrPort(database + ":5432")}))
	answer(t, home(t), hostPrivate+":8080")
	must(t, transact(func(c *nftables.Conn) error { c.FlushRuleset(); return nil }))
	eventually(t, "the table", func() bool { there, err := n.table.there(); return there && err == nil })
	refused(t, tenant, "tcp4", hostPrivate+":8080")
	refused(t, tenant, "tcp4", metadata+":80")
	reached(t, tenant, "tcp4", public+":80")
	reached(t, tenant, "tcp4", database+":5432")
	if call(w.internet, "tcp4", database+":80", aWhile) == nil {
		t.Error("the host forwards for anybody")
	}
	eventually(t, "a line in the log", func() bool { return strings.Contains(log.String(), "it is there again") })
	link.Drop()
	must(t, transact(func(c *nftables.Conn) error { c.FlushRuleset(); return nil }))
	eventually(t, "the table", func() bool { there, err := n.table.there(); return there && err == nil })
	refused(t, tenant, "tcp4", database+":5432")
}

func TestKeeper_OnlyTheEndOfOurTableMatters(t *testing.T) {
	k := &keeper{table: newTable("abcdef01", "tnm-abcde-", testRange)}
	const deleted = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE
	table := func(kind netlink.HeaderType, name string) netlink.Message {
		return message(kind, make([]byte, nfHeader), func(ae *netlink.AttributeEncoder) { ae.String(unix.NFTA_TABLE_NAME, name) })
	}
	for name, c := range map[string]struct {
		message netlink.Message
		want    bool
	}{
		"ours":            {table(deleted, "tenement-abcdef01"), true},
		"another's":       {table(deleted, "filter"), false},
		"ours, made":      {table(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, "tenement-abcdef01"), false},
		"nameless":        {netlink.Message{Header: netlink.Header{Type: deleted}, Data: make([]byte, nfHeader)}, false},
		"a short message": {netlink.Message{Header: netlink.Header{Type: deleted}, Data: []byte{1}}, false},
	} {
		if got := k.matters(c.message); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
