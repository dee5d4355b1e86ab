package egress

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// nfHeader is the length of a struct nfgenmsg.
const nfHeader = 4

// keeper writes the table again when somebody deletes it. `nft flush ruleset`,
// which nftables.service begins with whenever it is loaded, takes everybody's
// tables along; tenants would reach the host then.
type keeper struct {
	log   zerolog.Logger
	table *table
	news  *netlink.Conn
	ended chan struct{}
}

// keepTable watches until close.
func keepTable(t *table, log zerolog.Logger) (*keeper, error) {
	news, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot follow the changes of nftables: %w", err)
	}
	if err := news.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot follow the changes of nftables: %w", err), news.Close())
	}
	k := &keeper{log: log, table: t, news: news, ended: make(chan struct{})}
	go k.watch() // ended by close
	return k, nil
}

func (k *keeper) watch() {
	defer close(k.ended)
	for {
		messages, err := k.news.Receive()
		switch lost := errors.Is(err, unix.ENOBUFS); {
		case err != nil && !lost: // closed
			return
		case !lost && !slices.ContainsFunc(messages, k.matters):
			continue
		}
		restored, err := k.table.restore()
		if err != nil {
			k.log.Error().Err(err).Msg("somebody deleted the nftables table of the tenants: nothing holds them in their networks")
		} else if restored {
			k.log.Warn().Str("table", k.table.t.Name).Msg("somebody deleted the nftables table of the tenants; it is there again")
		}
	}
}

// matters tells the end of our table from other news; our own writing of it is
// among them.
func (k *keeper) matters(m netlink.Message) bool {
	if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELTABLE {
		return false
	}
	attributes, err := attributesOf(m, nfHeader)
	if err != nil {
		return false
	}
	for attributes.Next() {
		if attributes.Type() == unix.NFTA_TABLE_NAME && attributes.String() == k.table.t.Name {
			return true
		}
	}
	return false
}

func (k *keeper) close() {
	k.news.Close()
	<-k.ended
}
