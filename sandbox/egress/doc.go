// Package egress owns what a tenant's private network can reach: the way out of
// a network namespace (a routed veth pair, one nftables table for all of them),
// the resolver inside it, and the ports of the host's loopback that appear on
// its own. It is given namespaces by their fd and never makes or ends one; a
// veth pair ends with its namespace. Whatever it sets on the host carries the
// daemon's id, other tables and interfaces are not touched, and Close undoes it.
//
//	tenant's namespace          host
//	eth0 10.208.0.1/31 ──veth── tnm-ID-0 10.208.0.0/31 ──forward──▶ uplink (masqueraded)
//	127.0.0.53:53 ─────relay──▶ the host's resolvers
//	127.0.0.1:5432 ────relay──▶ 127.0.0.1:5432
package egress
