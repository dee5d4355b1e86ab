package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// What /proc shows to everybody of the whole machine, and tenants have no use
// for. Container runtimes mask more: files that are root's alone (kcore,
// timer_list, sysrq-trigger), because root of a container is root. Here nobody is.
var (
	maskedFiles = []string{"keys", "interrupts", "latency_stats"}
	maskedDirs  = []string{"acpi", "asound", "scsi"}
)

// Empty things to mask with. The directory is closed to tenants.
const (
	masks    = "/lost+found"
	maskFile = masks + "/file"
	maskDir  = masks + "/dir"
)

// makeMasks prepares them in a template.
func makeMasks() error {
	err := writeAlone(maskFile, "", 0o444)
	if err == nil {
		err = os.Mkdir(maskDir, 0o555)
	}
	if err == nil {
		err = os.Chmod(masks, 0o700)
	}
	if err != nil {
		return fmt.Errorf("cannot make masks for /proc: %w", err)
	}
	return nil
}

// maskProc covers them in a new /proc and makes /proc/sys read-only.
func maskProc() error {
	for from, names := range map[string][]string{maskFile: maskedFiles, maskDir: maskedDirs} {
		for _, name := range names {
			if err := bind(from, "/proc/"+name); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	if err := bind("/proc/sys", "/proc/sys"); err != nil {
		return err
	}
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", "/proc/sys", "", flags, ""); err != nil {
		return fmt.Errorf("cannot make /proc/sys read-only: %w", err)
	}
	return nil
}
