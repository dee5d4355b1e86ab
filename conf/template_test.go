package conf

import (
	"strconv"
	"strings"
	"testing"
)

var alice = Vars{Name: "notes", ID: "alice", DataDir: "/data", InstanceDir: "/data/notes/alice", Socket: "/run/s.sock", Port: 1234}

func TestExpand_FillsEveryPlace(t *testing.T) {
	s := mustParse(t, `
[service.notes]
command = "app {name}:{id} -d{data_dir} {instance_dir}/db {socket} '{port} {port}'"
workdir = "{instance_dir}/x"
env = { A = "{socket}", B = "{id}{id}" }
`).Services["notes"]
	same(t, s.Expand(alice), Expanded{
		Argv:    []string{"app", "notes:alice", "-d/data", "/data/notes/alice/db", "/run/s.sock", "1234 1234"},
		Env:     map[string]string{"A": "/run/s.sock", "B": "alicealice"},
		Socket:  "/run/s.sock",
		Workdir: "/data/notes/alice/x",
	})
	same(t, s.Argv[1], "{name}:{id}")
}

func TestExpand_AValueAddsNoArgumentAndIsNotExpandedAgain(t *testing.T) {
	s := &Service{Argv: []string{"app", "{data_dir}", "{id}"}}
	same(t, s.Expand(Vars{DataDir: "/a b/{id} '\" $x", ID: "{port}"}).Argv, []string{"app", "/a b/{id} '\" $x", "{port}"})
}

func TestExpand_OtherBracesAreTheAppsOwn(t *testing.T) {
	s := &Service{Argv: []string{`{"id": {}}`, "{ID}", "{{id}}", "{prot}", "{id", "id}", "${HOME}", "{{.Name}}"}}
	same(t, s.Expand(alice).Argv, []string{`{"id": {}}`, "{ID}", "{alice}", "{prot}", "{id", "id}", "${HOME}", "{{.Name}}"})
}

func TestExpand_ASocketOfTheServicesOwnIsTheOneThatIsPassedOn(t *testing.T) {
	s := &Service{Socket: "{data_dir}/{name}-{id}.sock", Argv: []string{"{socket}"}, Listen: ListenUnix}
	e := s.Expand(alice)
	same(t, e.Socket, "/data/notes-alice.sock")
	same(t, e.Argv, []string{"/data/notes-alice.sock"})
}

func TestExpand_TCPHasNoSocket(t *testing.T) {
	s := &Service{Socket: "/s", Listen: ListenTCP, Argv: []string{"{port}"}}
	e := s.Expand(alice)
	same(t, e.Socket, "")
	same(t, e.Argv, []string{"1234"})
}

// FuzzExpand holds Expand against the plainest way to do it by hand: cut at the
// first placeholder, go on behind it.
func FuzzExpand(f *testing.F) {
	f.Add("a {id} {{port}} {name", "{id}", "x y")
	f.Add("{{id}{socket}{data_dir}", "", "{name}")
	f.Add("{instance_dir}{nope}{i{id}d}", "a'b", "\x00")
	f.Fuzz(func(t *testing.T, template, id, dir string) {
		v := Vars{Name: "n", ID: id, DataDir: dir, InstanceDir: dir + "/i", Socket: "/s", Port: 80}
		s := &Service{Argv: []string{"app", template}, Env: map[string]string{"K": template}, Workdir: template}
		want := byHand(template, map[string]string{"name": "n", "id": id, "data_dir": dir,
			"instance_dir": dir + "/i", "socket": "/s", "port": strconv.Itoa(v.Port)})
		e := s.Expand(v)
		if len(e.Argv) != 2 || e.Argv[1] != want || e.Env["K"] != want || e.Workdir != want {
			t.Errorf("%q: got %+v, want %q", template, e, want)
		}
	})
}

func byHand(template string, values map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if name, _, closed := strings.Cut(template[i+1:], "}"); template[i] == '{' && closed {
			if value, known := values[name]; known {
				b.WriteString(value)
				i += len(name) + 1
				continue
			}
		}
		b.WriteByte(template[i])
	}
	return b.String()
}
