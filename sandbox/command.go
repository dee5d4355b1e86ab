package sandbox

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// permanent are the answers of execve(2) that the next try gets too.
var permanent = []error{
	unix.ENOENT, unix.EACCES, unix.ENOEXEC, unix.ENOTDIR, unix.ELOOP, unix.EISDIR,
	unix.ENAMETOOLONG, unix.E2BIG, unix.EINVAL, unix.ELIBBAD, unix.EPERM,
}

// findCommand gives the path to execute: Argv[0] as it is when it has a slash
// (relative to the working directory), else found on the tenant's own PATH. Its
// errors are permanent.
func findCommand(s Spec) (string, error) {
	if err := checkDir(s.Dir); err != nil {
		return "", &permanentError{err}
	}
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return "", &permanentError{errors.New("the command is empty")}
	}
	if strings.Contains(s.Argv[0], "/") {
		return s.Argv[0], nil
	}
	path, err := lookPath(s.Argv[0], variable(s.Env, "PATH"))
	if err != nil {
		return "", &permanentError{err}
	}
	return path, nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err == nil {
		err = unix.Access(dir, unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("cannot use the working directory %q: %w", dir, reason(err))
	}
	return nil
}

// lookPath skips relative entries of PATH: what they mean depends on who looks.
func lookPath(name, path string) (string, error) {
	var found error
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err != nil || info.IsDir() {
			continue
		}
		if unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
		found = fmt.Errorf("cannot execute %s: it is not executable", file)
	}
	if found == nil {
		found = fmt.Errorf("cannot find %q in the PATH %q", name, path)
	}
	return "", found
}

// variable gives the value that a C program would see: the first.
func variable(env []string, name string) string {
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// executeError puts what execve answered into words.
func executeError(s Spec, path string, err error) error {
	file := path
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.Dir, file)
	}
	told := fmt.Errorf("cannot execute %s: %w", file, err)
	switch {
	case errors.Is(err, unix.ENOENT):
		if interpreter := interpreterOf(file); interpreter != "" {
			told = fmt.Errorf("cannot execute %s: its interpreter %s does not exist", file, interpreter)
		}
	case errors.Is(err, unix.EACCES):
		told = accessError(file, err)
	case errors.Is(err, unix.ENOEXEC):
		told = fmt.Errorf("cannot execute %s: it is neither a program for this machine nor a script with a #! line", file)
	}
	for _, lasting := range permanent {
		if errors.Is(err, lasting) {
			return &permanentError{told}
		}
	}
	return told
}

func accessError(file string, err error) error {
	info, statErr := os.Stat(file)
	switch {
	case statErr == nil && info.IsDir():
		return fmt.Errorf("cannot execute %s: it is a directory", file)
	case statErr == nil && info.Mode()&0o111 == 0:
		return fmt.Errorf("cannot execute %s: it is not executable (chmod +x)", file)
	}
	return fmt.Errorf("cannot execute %s: %w", file, err)
}

// interpreterOf names who would run the file: the #! line's first word or the
// ELF file's dynamic loader; "" when there is neither or the file is missing.
func interpreterOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n') // 256: the kernel's own limit
	if script, found := strings.CutPrefix(string(line), "#!"); found {
		first, _, _ := strings.Cut(strings.TrimLeft(script, " \t"), " ")
		return strings.TrimRight(first, "\t\r\n")
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP && part.Filesz < 4096 {
			name := make([]byte, part.Filesz)
			if _, err := part.ReadAt(name, 0); err == nil {
				return strings.TrimRight(string(name), "\x00")
			}
		}
	}
	return ""
}

// reason strips what the sentence around it says already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
