package egress

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
)

// suspect finds who drops what the host forwards: what was seen, and what the
// operator can do. nftables lets nobody overrule another's drop, and we do not
// write into tables that are not ours.
func suspect() (detail, howToGet string) {
	c, err := nftables.New()
	if err != nil {
		return "something drops what this host forwards", ""
	}
	chains, err := c.ListChains()
	if err != nil {
		return fmt.Sprintf("something drops what this host forwards (nftables cannot be read: %v)", err), ""
	}
	return judge(chains, legacy())
}

// legacy reports whether iptables-legacy, whose rules nftables does not show,
// has a table of filters.
func legacy() bool {
	text, _ := os.ReadFile("/proc/net/ip_tables_names") // absent: never used
	return strings.Contains(string(text), "filter\n")
}

// judge names the first chain that drops by its policy, and knows the usual
// programs by their chains and tables.
func judge(chains []*nftables.Chain, legacy bool) (detail, howToGet string) {
	detail = "something drops what this host forwards"
	howToGet = `let your firewall accept what it forwards from and to the interfaces tnm-*`
	if legacy {
		detail += " (iptables-legacy is in use here)"
		howToGet = "iptables-legacy -I FORWARD -i tnm-+ -j ACCEPT; iptables-legacy -I FORWARD -o tnm-+ -j ACCEPT"
	}
	if c := dropping(chains); c != nil {
		table := family(c) + " " + c.Table.Name
		detail = fmt.Sprintf("the chain %s of the nftables table %s drops what this host forwards", c.Name, table)
		rule := fmt.Sprintf("nft insert rule %s %s", table, c.Name)
		howToGet = fmt.Sprintf("%s iifname 'tnm-*' accept; %s oifname 'tnm-*' accept", rule, rule)
	}
	for _, c := range chains {
		switch {
		case c.Name == "ufw-user-forward":
			return detail + " (ufw)", "ufw route allow in on tnm-+"
		case c.Name == "DOCKER-USER":
			return detail + " (Docker)", "iptables -I DOCKER-USER -i tnm-+ -j ACCEPT; iptables -I DOCKER-USER -o tnm-+ -j ACCEPT"
		case c.Table.Name == "firewalld":
			return detail + " (firewalld)", "firewall-cmd --permanent --zone=trusted --add-interface=tnm-+; firewall-cmd --reload"
		}
	}
	return detail, howToGet
}

func dropping(chains []*nftables.Chain) *nftables.Chain {
	for _, c := range chains {
		forward := c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward
		if forward && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop && family(c) != "" {
			return c
		}
	}
	return nil
}

// family names those that see IPv4.
func family(c *nftables.Chain) string {
	switch c.Table.Family {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyINet:
		return "inet"
	}
	return ""
}
