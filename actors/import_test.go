package actors

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tenement/conf"
)

func TestImport_DirectoriesBecomeTenantsAndTheRestIsNamed(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		dir := filepath.Join(h.o.DataDir, "notes")
		for _, name := range []string{"alice", "bob", "Carol", ".cache"} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o600), os.Symlink("/", filepath.Join(dir, "link"))); err != nil {
			t.Fatal(err)
		}
		register(t, h, alice())
		for round, added := range []int{1, 0} {
			got, err := h.Import(t.Context(), []string{"notes"}, nil)
			if err != nil || got.Added != added || !slices.Equal(got.Names, []conf.Instance{alice(), id("bob")}) {
				t.Errorf("round %d: %+v, %v", round, got, err)
			}
			said := strings.Join(got.Skipped, "\n")
			for _, want := range []string{"Carol: ids are lower-case: rename it to carol", ".cache", "file is not a directory", "link is not a directory"} {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said: %s", want, said)
				}
			}
		}
		if s.starts("notes:bob") != 0 {
			t.Error("an import starts nobody")
		}
	})
}

func TestImport_OneByOneTheirDirectoriesMustBeThere(t *testing.T) {
	play(t, defaults(), func(t *testing.T, h *Host, s *stage) {
		if err := os.MkdirAll(h.instanceDir(id("bob")), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := h.Import(t.Context(), nil, []conf.Instance{id("bob"), id("zoe")})
		if !errors.As(err, new(*OverrideError)) || !strings.Contains(err.Error(), "notes:zoe has no directory: put its data into "+h.instanceDir(id("zoe"))) {
			t.Error(err)
		}
		if n := len(h.List()); n != 0 {
			t.Errorf("%d registered", n)
		}
		if got, err := h.Import(t.Context(), nil, []conf.Instance{id("bob")}); err != nil || got.Added != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		for _, err := range []error{
			second(h.Import(t.Context(), []string{"shop"}, nil)), second(h.Import(t.Context(), nil, []conf.Instance{{Service: "shop", ID: "x"}})),
		} {
			if !errors.Is(err, ErrUnknownService) {
				t.Error(err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
