package conf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// MaxSecret, in bytes, is the most that an env_file or a secret may hold: keys
// and certificates are small, and each tenant has its own copy in memory.
const MaxSecret = 1 << 20

// secretName is what names both a file and, with _FILE behind it, a variable.
var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ReadSecret reads a file that holds secrets. It must be a plain file of the
// daemon's user or root that nobody else can read: what others can read is no
// secret, and who can swap it for a link chooses what a tenant is given.
func ReadSecret(path string) ([]byte, error) {
	// O_NONBLOCK: a FIFO must not keep the daemon waiting.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link: name the file itself", path)
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", path, bare(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", path, bare(err))
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, bare(err))
	}
	if len(data) > MaxSecret {
		return nil, fmt.Errorf("%s has more than the %d bytes that a secret may have", path, MaxSecret)
	}
	return data, nil
}

// private refuses a file that others can read.
func private(path string, info fs.FileInfo) error {
	owner, us := info.Sys().(*syscall.Stat_t).Uid, os.Geteuid()
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a plain file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be read by others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	case owner != 0 && int(owner) != us:
		return fmt.Errorf("%s belongs to user %d: it must be root's or that of the daemon's user, %d", path, owner, us)
	}
	return nil
}

// bare leaves the path out of an error whose sentence has it.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// ReadEnvFile reads KEY=VALUE lines: the value is everything behind the first
// equals sign as it stands, without interpolation; quotes around all of it are
// taken off. Empty lines and those that begin with # are passed over. Errors
// name the line, never the value.
func ReadEnvFile(path string) (map[string]string, error) {
	data, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	env, lines := map[string]string{}, map[string]int{}
	for i, line := range strings.Split(strings.TrimPrefix(string(data), "\uFEFF"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, err := envLine(line)
		if first := lines[name]; err == nil && first > 0 {
			err = fmt.Errorf("%s is set in line %d already", name, first)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		env[name], lines[name] = value, i+1
	}
	return env, nil
}

func envLine(line string) (name, value string, err error) {
	name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
	name = strings.TrimSpace(name)
	switch {
	case !found:
		return "", "", errors.New("there is no = in it: KEY=VALUE is expected")
	case isVariable(name) != "" || strings.ContainsAny(name, `"'`):
		return "", "", errors.New("what stands before the = cannot name a variable")
	}
	value = strings.TrimSpace(value)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if len(value) < 2 || value[len(value)-1] != value[0] {
			return "", "", fmt.Errorf("the value begins with %c and does not end with it", value[0])
		}
		value = value[1 : len(value)-1]
	}
	if strings.Contains(value, "\x00") {
		return "", "", errors.New("the value contains a NUL byte")
	}
	return name, value, nil
}

// secretPath reads the path of an env_file and, while it is the same for all
// tenants, looks at the file.
func secretPath(v value) (string, bool) {
	return secretFile(v, func(path string) error {
		_, err := ReadEnvFile(path)
		return err
	})
}

func secretFile(v value, look func(path string) error) (string, bool) {
	path, ok := absolute(v)
	if !ok {
		return "", false
	}
	for _, at := range word.FindAllString(path, -1) {
		if at != "{name}" && at != "{id}" {
			v.fail("%s cannot stand here: a secret is found by {name} and {id} only", at)
			return "", false
		}
	}
	if v.files && !word.MatchString(path) {
		if err := look(path); err != nil {
			v.fail("%v", err)
			return "", false
		}
	}
	return path, true
}

// secrets reads NAME = "path".
func secrets(v value) (map[string]string, bool) {
	all := map[string]string{}
	for _, f := range v.table() {
		if !secretName.MatchString(f.name) {
			f.fail("%q cannot name a secret: letters, digits and _ only, and no digit first", clip(f.name))
			continue
		}
		path, ok := secretFile(f, func(path string) error {
			_, err := ReadSecret(path)
			return err
		})
		if ok {
			all[f.name] = path
		}
	}
	return all, true
}
