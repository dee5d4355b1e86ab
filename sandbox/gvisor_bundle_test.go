package sandbox

import (
	"slices"
	"strings"
	"testing"
)

func TestGuestOf_IsWhatGVisorIsTold(t *testing.T) {
	s := Spec{
		Argv: []string{"node", "server.js", "a b"}, UID: 1900000007, Hostname: "notes", Dir: "/srv/app", DataDir: "/var/lib/t/notes/alice", RunDir: "/run/t/7", Limits: Limits{OpenFiles: 64}, Socket: "/srv/sock/app.sock",
		Mounts: []Mount{{Source: "/x", Destination: "/srv/app/assets"}, {Source: "/y", Destination: "/srv/app"}},
	}
	config, err := guestText(guestOf(s, "/usr/bin/node", "/boot/root", sharedDirs(s), []string{"PORT=8080", "LESS=<"}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ociVersion":"1.0.2",
"process":{"user":{"uid":1900000007,"gid":1900000007},"args":["/usr/bin/node","server.js","a b"],"env":["PORT=8080","LESS=<"],"cwd":"/srv/app","capabilities":{},"noNewPrivileges":true,"rlimits":[{"type":"RLIMIT_NOFILE","hard":64,"soft":64}]},
"root":{"path":"/boot/root"},"hostname":"notes","mounts":[
{"destination":"/proc","type":"proc","source":"proc"},
{"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]},
{"destination":"/dev","type":"tmpfs","source":"tmpfs"},
{"destination":"/dev/shm","type":"tmpfs","source":"tmpfs","options":["mode=1777"]},
{"destination":"/tmp","type":"bind","source":"/tmp","options":["rbind"]},
{"destination":"/run/t/7","type":"bind","source":"/run/t/7","options":["rbind"]},
{"destination":"/srv/app","type":"bind","source":"/srv/app","options":["rbind"]},
{"destination":"/var/tmp","type":"bind","source":"/var/tmp","options":["rbind"]},
{"destination":"/srv/sock","type":"bind","source":"/srv/sock","options":["rbind"]},
{"destination":"/srv/app/assets","type":"bind","source":"/srv/app/assets","options":["rbind"]},
{"destination":"/var/lib/t/notes/alice","type":"bind","source":"/var/lib/t/notes/alice","options":["rbind"]}],
"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"user"}],
"uidMappings":[{"containerID":0,"hostID":65534,"size":1},{"containerID":1900000007,"hostID":1900000007,"size":1}],
"gidMappings":[{"containerID":0,"hostID":65534,"size":1},{"containerID":1900000007,"hostID":1900000007,"size":1}]}}`
	if want = strings.ReplaceAll(want, "\n", "") + "\n"; string(config) != want {
		t.Errorf("%s\nwant\n%s", config, want)
	}
}

func TestSharedDirs_WithoutDirectoriesOfItsOwn(t *testing.T) {
	if got := sharedDirs(Spec{Dir: "/"}); !slices.Equal(got, []string{"/tmp", "/var/tmp"}) {
		t.Error(got)
	}
}
