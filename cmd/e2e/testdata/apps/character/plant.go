package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// plant lays symbolic links to a file of somebody else's wherever the daemon
// will make, open, own or remove something for this tenant.
func plant() {
	precious := argument(2)
	run := filepath.Dir(os.Getenv("SOCKET_PATH"))
	own := filepath.Base(os.Getenv("SOCKET_PATH"))
	for generation := range 50 {
		for _, kind := range []string{"sock", "out", "err"} {
			if name := fmt.Sprintf("%d.%s", generation, kind); name != own {
				os.Remove(filepath.Join(run, name))
				os.Symlink(precious, filepath.Join(run, name))
			}
		}
	}
	for _, name := range []string{"secrets", "bundle", "resolv.conf", "hosts"} {
		os.Symlink(filepath.Dir(precious), filepath.Join(run, name))
	}
	data := os.Getenv("DATA_DIR")
	os.Symlink(precious, filepath.Join(data, "file"))
	os.Symlink(filepath.Dir(precious), filepath.Join(data, "folder"))
	os.Symlink("/", filepath.Join(data, strings.Repeat("deep", 10)))
}
