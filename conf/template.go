package conf

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Vars are the values of the {...} in a service's templates, for one start of
// one tenant.
type Vars struct {
	Name        string // {name}: the service
	ID          string // {id}
	DataDir     string // {data_dir}: that of all tenants
	InstanceDir string // {instance_dir}: the tenant's own
	Socket      string // {socket}: the default place, used unless the service names one
	Port        int    // {port}
}

// Expanded is what a service's templates come to for one tenant.
type Expanded struct {
	Argv    []string
	Env     map[string]string
	Socket  string // "" with listen = "tcp"
	Workdir string

	BeforeStart []string // nil = none
	AfterStop   []string

	EnvFile string            // "" = none
	Secrets map[string]string // name -> path
}

// placeholders are the words of Vars, as written between braces.
var placeholders = []string{"name", "id", "data_dir", "instance_dir", "socket", "port"}

// word matches whatever looks like a placeholder. Other braces (JSON, ${HOME},
// {{.Name}}) are the app's own and never touched.
var word = regexp.MustCompile(`\{[a-z][a-z0-9_]*\}`)

// Expand puts the values in, in a single pass: a value that itself reads "{id}"
// stays as it is, and since Argv was split before, none can add an argument.
func (s *Service) Expand(v Vars) Expanded {
	e := Expanded{Env: make(map[string]string, len(s.Env))}
	if s.Listen == ListenTCP {
		v.Socket = ""
	} else if s.Socket != "" {
		v.Socket = v.replacer().Replace(s.Socket)
	}
	e.Socket = v.Socket
	r := v.replacer()
	for _, arg := range s.Argv {
		e.Argv = append(e.Argv, r.Replace(arg))
	}
	for name, value := range s.Env {
		e.Env[name] = r.Replace(value)
	}
	for _, arg := range s.BeforeStart {
		e.BeforeStart = append(e.BeforeStart, r.Replace(arg))
	}
	for _, arg := range s.AfterStop {
		e.AfterStop = append(e.AfterStop, r.Replace(arg))
	}
	e.Workdir = r.Replace(s.Workdir)
	e.EnvFile = r.Replace(s.EnvFile)
	if len(s.Secrets) > 0 {
		e.Secrets = make(map[string]string, len(s.Secrets))
	}
	for name, path := range s.Secrets {
		e.Secrets[name] = r.Replace(path)
	}
	return e
}

func (v Vars) replacer() *strings.Replacer {
	return strings.NewReplacer("{name}", v.Name, "{id}", v.ID, "{data_dir}", v.DataDir,
		"{instance_dir}", v.InstanceDir, "{socket}", v.Socket, "{port}", strconv.Itoa(v.Port))
}

// checkTemplates looks at every place of a service where templates stand.
func (s *Service) checkTemplates(v value) {
	s.checkTemplate(v.field("command"), s.Command)
	for _, arg := range v.field("args").elems() {
		text, _ := arg.raw.(string)
		s.checkTemplate(arg, text)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		s.checkTemplate(v.field("env").field(name), s.Env[name])
	}
	for _, hook := range []string{"before_start", "after_stop"} {
		text, _ := v.field(hook).raw.(string)
		s.checkTemplate(v.field(hook), text)
	}
	s.checkTemplate(v.field("workdir"), s.Workdir)
	s.checkTemplate(v.field("socket"), s.Socket)
	if strings.Contains(s.Socket, "{socket}") {
		v.field("socket").fail("cannot contain {socket}, which is this very path")
	}
}

// checkTemplate refuses a placeholder that will have no value. One that is not
// ours is only remarked on, since it may be the app's own syntax, and not even
// that when it reads ${word}: that is a shell's.
func (s *Service) checkTemplate(v value, text string) {
	for _, at := range word.FindAllStringIndex(text, -1) {
		name := text[at[0]+1 : at[1]-1]
		switch {
		case name == "port" && (s.Listen == ListenUnix || s.Listen == ListenFD):
			v.fail("{port} has no value with listen = %q", s.Listen)
		case name == "socket" && s.Listen == ListenTCP:
			v.fail("{socket} has no value with listen = %q", s.Listen)
		case !slices.Contains(placeholders, name) && (at[0] == 0 || text[at[0]-1] != '$'):
			v.remark("{%s} is passed on as it is: it is none of {%s}%s", name,
				strings.Join(placeholders, "} {"), didYouMean(name, placeholders))
		}
	}
}
