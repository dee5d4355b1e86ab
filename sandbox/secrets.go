package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// secretsName is the directory, in a process's run directory, of its secrets.
const secretsName = "secrets"

// SecretsDir is where a process whose run directory is dir finds its secrets, a
// file each.
func SecretsDir(dir string) string { return filepath.Join(dir, secretsName) }

// KeepsSecrets is nil for a directory whose content never reaches a disk: a
// tmpfs (which may be swapped out; encrypt the swap).
func KeepsSecrets(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("cannot look at the file system of %s: %w", dir, err)
	}
	if st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return fmt.Errorf("%s is on a disk, where secrets must not be: set run_dir to a directory on a tmpfs, like one below /run", dir)
	}
	return nil
}

// placeSecrets writes the secrets for the user who is to read them, 0400. What
// an earlier generation left, or put in their place, is removed first.
func placeSecrets(runDir string, owner int, secrets map[string][]byte) error {
	if len(secrets) == 0 {
		return nil
	}
	root, err := os.OpenRoot(runDir)
	if err != nil {
		return fmt.Errorf("cannot place secrets: %w", err)
	}
	defer root.Close()
	err = root.RemoveAll(secretsName)
	if err == nil {
		err = root.Mkdir(secretsName, 0o700)
	}
	for name, data := range secrets {
		if err == nil {
			err = placeSecret(root, owner, name, data)
		}
	}
	if err == nil {
		err = root.Chown(secretsName, owner, groupOf(owner)) // last: until then nobody else gets in
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot place secrets: %w", err), root.RemoveAll(secretsName))
	}
	return nil
}

// groupOf is the group of what only a user may read: the one of the same number,
// as tenants have. Without it gVisor's file server, in a user namespace of these
// two alone, would have no rights over the file.
func groupOf(owner int) int {
	if owner == os.Geteuid() {
		return -1 // as it is
	}
	return owner
}

func placeSecret(root *os.Root, owner int, name string, data []byte) error {
	if strings.ContainsAny(name, "/\x00") || slices.Contains([]string{"", ".", ".."}, name) {
		return fmt.Errorf("%q cannot name a secret", name)
	}
	file, err := root.OpenFile(secretsName+"/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Chown(owner, groupOf(owner))
	}
	return errors.Join(err, file.Close())
}

// removeSecrets removes them, or what the tenant put in their place; no link is
// followed.
func removeSecrets(runDir string) error {
	root, err := os.OpenRoot(runDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer root.Close()
		err = root.RemoveAll(secretsName)
	}
	if err != nil {
		return fmt.Errorf("cannot remove secrets: %w", err)
	}
	return nil
}
