package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
)

// guestSpec is as much of an OCI runtime specification (config.json) as a tenant
// needs to have.
type guestSpec struct {
	Version  string       `json:"ociVersion"`
	Process  guestProcess `json:"process"`
	Root     guestRoot    `json:"root"`
	Hostname string       `json:"hostname,omitempty"`
	Mounts   []guestMount `json:"mounts"`
	Linux    guestLinux   `json:"linux"`
}

type guestProcess struct {
	User struct {
		UID uint32 `json:"uid"`
		GID uint32 `json:"gid"`
	} `json:"user"`
	Args            []string `json:"args"`
	Env             []string `json:"env"`
	Dir             string   `json:"cwd"`
	Terminal        bool     `json:"terminal,omitempty"` // its streams are one
	Capabilities    struct{} `json:"capabilities"`       // none
	NoNewPrivileges bool     `json:"noNewPrivileges"`

	Limits []guestLimit `json:"rlimits,omitempty"`
}

type guestLimit struct {
	Type string `json:"type"`
	Hard int    `json:"hard"`
	Soft int    `json:"soft"`
}

type guestRoot struct {
	Path string `json:"path"`
}

type guestMount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options,omitempty"`
}

type guestLinux struct {
	Namespaces  []guestNamespace `json:"namespaces"`
	UIDMappings []guestMapping   `json:"uidMappings"`
	GIDMappings []guestMapping   `json:"gidMappings"`
}

type guestNamespace struct {
	Type string `json:"type"`
}

type guestMapping struct {
	Inside  uint32 `json:"containerID"`
	Outside uint32 `json:"hostID"`
	Size    uint32 `json:"size"`
}

// guestRootID is who gVisor itself is on the host: its kernel and its file server
// run in a user namespace in which nobody is root, and may do there what the
// tenant's own user may. Who breaks out of gVisor's kernel is nobody, in the
// tenant's namespaces.
const guestRootID = 65534

// guestOf describes a tenant to gVisor. path is the program that was found for
// its command, root where its view of the host is mounted, shared what is there
// of sharedDirs.
func guestOf(s Spec, path, root string, shared, env []string) guestSpec {
	g := guestSpec{Version: "1.0.2", Root: guestRoot{root}, Hostname: s.Hostname, Mounts: guestMounts(shared), Process: guestProcessOf(s, path, env)}
	for _, kind := range []string{"pid", "mount", "ipc", "uts", "user"} {
		g.Linux.Namespaces = append(g.Linux.Namespaces, guestNamespace{kind})
	}
	g.Linux.UIDMappings = []guestMapping{{0, guestRootID, 1}, {s.UID, s.UID, 1}}
	g.Linux.GIDMappings = g.Linux.UIDMappings
	return g
}

// guestProcessOf describes a program that is to run as the tenant.
func guestProcessOf(s Spec, path string, env []string) guestProcess {
	p := guestProcess{Args: slices.Concat([]string{path}, s.Argv[1:]), Env: env, Dir: s.Dir, NoNewPrivileges: true}
	p.User.UID, p.User.GID = s.UID, s.UID
	if n := s.Limits.OpenFiles; n > 0 {
		p.Limits = []guestLimit{{"RLIMIT_NOFILE", n, n}}
	}
	return p
}

// guestMounts are what gVisor's kernel makes itself, and the shared directories
// as mounts of their own.
func guestMounts(shared []string) []guestMount {
	all := []guestMount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs"},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777"}},
	}
	for _, path := range shared {
		all = append(all, guestMount{Destination: path, Type: "bind", Source: path, Options: []string{"rbind"}})
	}
	return all
}

// sharedDirs are the paths of a view whose content may change behind the back of
// gVisor's kernel: by the host's hand, or because they show the same directory
// twice. Of all the rest it believes that nobody else writes to it. Those that
// are inside others come later.
func sharedDirs(s Spec) []string {
	all := []string{"/tmp", "/var/tmp", s.RunDir, s.DataDir, s.Dir} // the first two are one
	if s.Socket != "" {
		all = append(all, filepath.Dir(s.Socket)) // the run directory a second time
	}
	for _, m := range s.Mounts {
		all = append(all, m.Destination)
	}
	all = slices.DeleteFunc(all, func(path string) bool { return path == "" || path == "/" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(a)-len(b), cmp.Compare(a, b)) })
	return slices.Compact(all)
}

// guestText is a description as gVisor reads it; characters that matter in HTML
// alone are left as they are, or an environment would grow sixfold.
func guestText(description any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(description); err != nil {
		return nil, fmt.Errorf("cannot describe a tenant to gVisor: %w", err)
	}
	return text.Bytes(), nil
}
