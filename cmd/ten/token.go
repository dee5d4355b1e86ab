package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tenement/actors/ledger"
	"tenement/edge"
)

func (a *app) tokenGenCmd() *cobra.Command {
	var ask edge.TokenRequest
	var expires string
	cmd := &cobra.Command{
		Use: "token-gen", Short: "Make an API token; an admin token replaces the one before", Args: cobra.NoArgs,
		Long: `Makes a token for this machine's data directory, whatever --server says: through
the daemon when one runs there, else in its registry. Without --tenant or --service
it is an admin token; unless it expires or may only look, it replaces the one before
and is written to {data_dir}/api_token.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if ask.ExpiresSecs, err = expiry(expires); err != nil {
				return err
			}
			return a.tokenGen(cmd.Context(), ask)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.Tenant, "tenant", "", "a token for this tenant only: ID or S:I")
	f.StringVar(&ask.Service, "service", "", "a token for the tenants of this service")
	f.BoolVar(&ask.ReadOnly, "read-only", false, "it may look and change nothing")
	f.StringVar(&expires, "expires", "", "how long it is valid, as 12h or 30d (default for ever)")
	f.StringVar(&ask.Description, "description", "", "what it is for")
	return cmd
}

// expiry reads "12h" or "30d" into seconds; "" is 0.
func expiry(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	plain := text
	days, isDays := strings.CutSuffix(text, "d")
	if n, err := strconv.ParseUint(days, 10, 16); isDays && err == nil {
		plain = strconv.FormatUint(24*n, 10) + "h"
	}
	d, err := time.ParseDuration(plain)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("--expires %q: a time like 12h or 30d is expected, a second at least", text)
	}
	return int64(d / time.Second), nil
}

func (a *app) tokenGen(ctx context.Context, ask edge.TokenRequest) error {
	token, err := edge.NewToken(ask)
	if err != nil {
		return err
	}
	where, err := a.place()
	if err != nil {
		return err
	}
	plain, err := makeToken(ctx, where, token, ask)
	if err != nil {
		return err
	}
	if token.Primary() {
		if err := writeToken(where.dataDir, plain); err != nil {
			return err
		}
	}
	a.say("%s", tokenHeading(token, ask, where))
	a.say("")
	a.say("  %s", plain)
	return nil
}

func tokenHeading(token ledger.Token, ask edge.TokenRequest, where place) string {
	what := ""
	if token.ReadOnly {
		what = "Read-only "
	}
	switch {
	case token.Primary():
		return fmt.Sprintf("Admin token (written to %s):", filepath.Join(where.dataDir, tokenName))
	case token.Scope == ledger.ScopeAdmin:
		what += "Admin token"
	case token.Scope == ledger.ScopeService:
		what += "Token for service " + token.Service
	default:
		what += "Token for tenant " + ask.Tenant
	}
	return what + " (shown once):"
}

func (a *app) tokenCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "List and revoke API tokens; token-gen makes them"}
	cmd.AddCommand(a.tokenListCmd(), a.tokenRevokeCmd())
	return cmd
}

func (a *app) tokenListCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show the tokens that were not revoked", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var list []edge.TokenInfoJSON
			if err := c.call(cmd.Context(), http.MethodGet, "/api/tokens", nil, &list); err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			rows := [][]string{{"ID", "SCOPE", "FOR", "CREATED", "EXPIRES", "DESCRIPTION"}}
			for _, t := range list {
				rows = append(rows, tokenRow(t))
			}
			table(a.out, rows)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func tokenRow(t edge.TokenInfoJSON) []string {
	scope, expires := t.Scope, "never"
	if t.ReadOnly {
		scope += ", read-only"
	}
	if t.Expires != 0 {
		expires = time.UnixMilli(t.Expires).UTC().Format(time.DateTime)
		if time.Now().UnixMilli() > t.Expires {
			expires += " (over)"
		}
	}
	return []string{
		t.ID, scope, cmp.Or(t.For, "-"), time.UnixMilli(t.Created).UTC().Format(time.DateOnly), expires, cmp.Or(t.Description, "-"),
	}
}

func (a *app) tokenRevokeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Make a token invalid at once; `ten token list` shows the ids", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), c, http.MethodPost, "/api/tokens/revoke", edge.RevokeRequest{ID: args[0]}, "Revoked %s", args[0])
		},
	}
}

// makeToken stores the token: through the daemon, which accepts it at once, or
// by opening the registry where none runs.
func makeToken(ctx context.Context, where place, token ledger.Token, ask edge.TokenRequest) (string, error) {
	if control := filepath.Join(where.runDir, controlName); answers(control) {
		var got edge.TokenJSON
		err := controlClient(control, "its control socket").call(ctx, http.MethodPost, "/api/tokens", ask, &got)
		return got.Token, err
	}
	if err := os.MkdirAll(where.dataDir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the data directory: %w", err)
	}
	lock, err := lockData(where.dataDir)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	plain, hash := ledger.NewToken()
	token.Hash = hash
	registry := filepath.Join(where.dataDir, registryName)
	admin := token.Primary()
	if _, err := os.Lstat(registry); admin && errors.Is(err, fs.ErrNotExist) {
		// The first start takes the token from api_token. A registry made here
		// would keep it from looking for the directories of the tenants.
		return plain, nil
	}
	return plain, storeToken(registry, token)
}

func storeToken(registry string, token ledger.Token) (err error) {
	store, err := ledger.Open(registry)
	if err != nil {
		return err
	}
	defer func() {
		if e := store.Close(); err == nil {
			err = e
		}
	}()
	if token.Primary() {
		return store.Apply(ledger.ReplaceAdmin{Token: token})
	}
	return store.Apply(ledger.PutToken{Token: token})
}

// writeToken keeps the admin token where ten and the operator's scripts find it.
func writeToken(dataDir, plain string) error {
	if err := writeFile(filepath.Join(dataDir, tokenName), []byte(plain+"\n")); err != nil {
		return fmt.Errorf("cannot write the token: %w", err)
	}
	return nil
}
