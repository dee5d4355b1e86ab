package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tenement/actors/ledger"
	"tenement/edge"
)

func (a *app) tokenGenCmd() *cobra.Command {
	var tenant, description string
	cmd := &cobra.Command{
		Use: "token-gen", Short: "Make an API token; an admin token replaces the one before", Args: cobra.NoArgs,
		Long: `Makes a token for this machine's data directory, whatever --server says: through
the daemon when one runs there, else in its registry. Without --tenant it is an
admin token, which replaces the one before and is written to {data_dir}/api_token.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.tokenGen(cmd.Context(), tenant, description)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "a token for this tenant only: ID or S:I")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func (a *app) tokenGen(ctx context.Context, tenant, description string) error {
	token, err := edge.NewToken(tenant, description)
	if err != nil {
		return err
	}
	where, err := a.place()
	if err != nil {
		return err
	}
	plain, err := makeToken(ctx, where, token, tenant)
	if err != nil {
		return err
	}
	if token.Scope == ledger.ScopeAdmin {
		if err := writeToken(where.dataDir, plain); err != nil {
			return err
		}
		a.say("Admin token (written to %s):", filepath.Join(where.dataDir, tokenName))
	} else {
		a.say("Token for tenant %s (shown once):", tenant)
	}
	a.say("")
	a.say("  %s", plain)
	return nil
}

// makeToken stores the token: through the daemon, which accepts it at once, or
// by opening the registry where none runs.
func makeToken(ctx context.Context, where place, token ledger.Token, tenant string) (string, error) {
	if control := filepath.Join(where.runDir, controlName); answers(control) {
		var got edge.TokenJSON
		body := edge.TokenRequest{Tenant: tenant, Description: token.Description}
		err := controlClient(control, "its control socket").call(ctx, http.MethodPost, "/api/tokens", body, &got)
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
	admin := token.Scope == ledger.ScopeAdmin
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
	if token.Scope == ledger.ScopeAdmin {
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
