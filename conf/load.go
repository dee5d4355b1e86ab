package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// FileName is what Find looks for.
const FileName = "tenement.toml"

// ErrNotFound is wrapped by Find when there is no file to be found.
var ErrNotFound = errors.New("no " + FileName)

// maxFile, in bytes, is far beyond any real file and keeps a wrong one (a disk
// image, a log) from being parsed.
const maxFile = 1 << 20

// Find returns the tenement.toml of dir or of the nearest directory above it.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("cannot look for %s in %q: %w", FileName, dir, err)
	}
	for at := start; ; at = filepath.Dir(at) {
		path := filepath.Join(at, FileName)
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return path, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("cannot look for %s: %w", FileName, err)
		case at == filepath.Dir(at):
			return "", fmt.Errorf("%w in %s or above it; ten init writes one", ErrNotFound, start)
		}
	}
}

// Load reads and checks a file. Its error is Problems, or says why the file
// could not be read.
func Load(path string) (*Config, error) { return load(path, false) }

// LoadAll is Load and looks at the files that hold secrets, too: for those who
// will read them. Others who need the configuration may not be allowed to.
func LoadAll(path string) (*Config, error) { return load(path, true) }

func load(path string, files bool) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	c, err := parse(path, data, files)
	if err != nil {
		return nil, err
	}
	c.remarkElsewhere(string(data))
	return c, nil
}

// remarkElsewhere warns of a data directory that moves with the working
// directory: started from another one, the daemon would find nobody's data.
func (c *Config) remarkElsewhere(text string) {
	home := filepath.Dir(c.Path)
	wd, err := os.Getwd()
	if err != nil || home == wd || strings.Contains(text, c.Settings.DataDir) {
		return
	}
	c.Remarks = append(c.Remarks, Remark{Text: fmt.Sprintf(
		"%s %s, in the working directory and not beside this file: give it in full, or start ten in %s", elsewhere, c.Settings.DataDir, home)})
}

// elsewhere begins the remark that WithDataDir makes pointless.
const elsewhere = "settings.data_dir:"

// Parse checks what a file holds; path is only quoted. Its error is Problems,
// unless the working directory is gone. No data at all gives the defaults.
func Parse(path string, data []byte) (*Config, error) { return parse(path, data, false) }

// parse looks at the files that hold secrets too, if asked to.
func parse(path string, data []byte, files bool) (*Config, error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("cannot find the working directory: %w", err)
	}
	r := &report{file: path, wd: wd, files: files}
	c := &Config{Path: r.abs(path), Services: map[string]*Service{}}
	if root, ok := decode(r, data); ok {
		readSettings(c, root.field("settings"))
		readServices(c, root.field("service"))
		readInstances(c, root.field("instances"))
		readRouting(c, root.field("routing"))
		checkSockets(c, root.field("service"))
		checkAllowed(c, root.field("service"))
		root.known([]string{"settings", "service", "instances", "routing"})
	}
	r.sort()
	c.Remarks = r.remarks
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return c, nil
}

// decode reads the TOML and finds the place of every value in it.
func decode(r *report, data []byte) (value, bool) {
	if len(data) > maxFile {
		r.refuse(1, "is %d bytes long: at most %d are read", len(data), maxFile)
		return value{}, false
	}
	root, tooDeep := scan(string(data))
	if tooDeep > 0 {
		r.refuse(tooDeep, "nested more than %d levels deep", maxDepth)
		return value{}, false
	}
	raw := map[string]any{}
	if _, err := toml.Decode(string(data), &raw); err != nil {
		r.refuseSyntax(data, err)
		return value{}, false
	}
	return value{raw: raw, at: root, report: r}, true
}

// refuse adds a problem of the file as a whole.
func (r *report) refuse(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// refuseSyntax passes on what the TOML library says, whose line may lie one past
// the end of the file.
func (r *report) refuseSyntax(data []byte, err error) {
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		r.refuse(max(1, min(syntax.Position.Line, lines(data))), "%s", syntax.Message)
		return
	}
	r.refuse(1, "%v", err)
}

// lines counts as an editor does: a newline at the end begins no further line.
func lines(data []byte) int {
	return max(1, bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))+1)
}
