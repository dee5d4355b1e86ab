package sandbox

import (
	"fmt"
	"os"
	"runtime"
)

// Supports is nil for a level that tenants can run at here, else a sentence
// that says what is missing and what to write instead.
func (e *Engine) Supports(l Level) error {
	if err := Built(l); err != nil || l == LevelProcess {
		return err
	}
	if err := e.tried(); err != nil {
		return fmt.Errorf(`isolation = %q cannot be had on this host, as the daemon %w (a container may forbid it): write isolation = "process"`, string(l), err)
	}
	return nil
}

// Built is nil for a level that this version has, and this user can have.
func Built(l Level) error {
	switch l {
	case LevelProcess:
		return nil
	case LevelNamespace:
		return mayEnclose(os.Geteuid(), runtime.GOARCH)
	}
	return fmt.Errorf(`isolation = %q is not built yet: write isolation = "process"`, string(l))
}

func mayEnclose(user int, arch string) error {
	if _, err := initFor(arch); err != nil {
		return fmt.Errorf(`%w: write isolation = "process"`, err)
	}
	if user != 0 {
		return fmt.Errorf(`isolation = %q needs root: run ten as root, as the unit of "ten install" does, or write isolation = "process"`, string(LevelNamespace))
	}
	return nil
}

// tryNamespaces makes once what every start at LevelNamespace needs.
func tryNamespaces() error {
	return onThread(func() error {
		n, err := makeNetns()
		if err != nil {
			return err
		}
		n.close()
		t, err := buildTemplate(layout{host: "try"}, nil)
		if err != nil {
			return err
		}
		t.close()
		return nil
	})
}
