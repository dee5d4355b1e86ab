package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"tenement/conf"
	"tenement/edge"
)

func (a *app) domainCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "domain", Short: "Lead a customer's own domain to a tenant",
		Long: `Lead a customer's own domain to a tenant. The customer makes it point here, by
a CNAME or A record; with ACME its certificate comes with the first visit.

  ten domain add notes:alice shop.example.org
  ten domain list
  ten domain remove shop.example.org`,
	}
	cmd.AddCommand(a.domainAddCmd(), a.domainListCmd(), a.domainRemoveCmd())
	return cmd
}

func (a *app) domainAddCmd() *cobra.Command {
	return &cobra.Command{
		Use: "add S:I DOMAIN", Short: "Lead a domain to a tenant", Args: cobra.ExactArgs(2),
		ValidArgsFunction: a.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := conf.ParseInstance(args[0])
			if err != nil {
				return err
			}
			var got edge.DomainJSON
			body := edge.DomainRequest{Process: name.Service, ID: name.ID, Domain: args[1]}
			if err := a.callDomain(cmd, "/api/domains", body, &got); err != nil {
				return err
			}
			a.say("%s leads to %s", people(got), got.Instance)
			return nil
		},
	}
}

func (a *app) domainRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use: "remove DOMAIN", Aliases: []string{"rm"}, Short: "Take a domain from its tenant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var got edge.DomainJSON
			if err := a.callDomain(cmd, "/api/domains/remove", edge.RemoveDomainRequest{Domain: args[0]}, &got); err != nil {
				return err
			}
			a.say("%s no longer leads to %s", people(got), got.Instance)
			return nil
		},
	}
}

func (a *app) domainListCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the domains of customers' own", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list := []edge.DomainJSON{}
			if err := c.call(cmd.Context(), http.MethodGet, "/api/domains", nil, &list); err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			a.printDomains(list)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printDomains(list []edge.DomainJSON) {
	if len(list) == 0 {
		a.say("No domains")
		return
	}
	rows := [][]string{{"DOMAIN", "INSTANCE"}}
	for _, d := range list {
		rows = append(rows, []string{people(d), d.Instance})
	}
	table(a.out, rows)
}

// people writes a domain as people do, with the form of the DNS beside it when
// that is another: two that look alike are told apart.
func people(d edge.DomainJSON) string {
	if d.Unicode == "" {
		return d.Domain
	}
	return d.Unicode + " (" + d.Domain + ")"
}

func (a *app) callDomain(cmd *cobra.Command, path string, body any, got *edge.DomainJSON) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	return c.call(cmd.Context(), http.MethodPost, path, body, got)
}
