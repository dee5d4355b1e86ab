package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ruled are the tests of all that the daemon needs rights for: starting, finding
// who listens and where, dialling, limits, other files, adopting, executing
// beside, egress; at namespace and where there is runsc at sandbox.
var ruled = []string{
	"TestNamespace_IsAUserAndAWorldOfItsOwn", "TestNamespace_SeesAReadOnlySystemAndNobodysDirectories", "TestNamespace_HasDevicesTerminalsAndStreams",
	"TestNamespace_ServesOnAPortThatEverybodyHas", "TestNamespace_ServesOnASocket", "TestNamespace_ASocketOfTheUsersOwnIsBoundThere",
	"TestNamespace_TheNetworkIsTheTenantsTheHostsOrNone", "TestNamespace_WorksInAFolderThatOnlyRootCanRead", "TestNamespace_SecretsAreTheTenantsOwn",
	"TestNamespace_LimitsHoldAndAreNamed", "TestNamespace_IsAdoptedByTheNextEngine", "TestNamespace_EndFindsAllOfAFormerDaemons", "TestNamespace_EndsWholeAndTellsHow",
	"TestExec_ACommandIsEnclosedAsTheTenantIs", "TestExec_ASignalReachesItAndItEndsWithTheTenant", "TestNetworks_AProcessHasThePortsThatItIsGiven",
	"TestGuest_ListensOnAPortAndOnASocketOfItsOwn", "TestGuest_IsAskedToEndAndEnds", "TestGuest_OutlivesItsDaemonAndEndsForTheNextOne", "TestGuest_IsKeptWithinItsMemory",
}

// A daemon in the unit of `ten install` has these rights and no others, and
// sees of others' processes what ProtectProc=invisible shows. The tests are run
// once more as that daemon.
func TestRights_AreEnough(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("rights are given by root")
	}
	cmd := exec.Command(copyOfUs(t), "-test.v", "-test.timeout=5m", "-test.run=^("+strings.Join(ruled, "|")+")$", "-test.skip=/^family$")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TEST_") })
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := onThread(func() error { return errors.Join(keepOnly(Rights()), hideOthers(), cmd.Start()) }); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	for _, name := range ruled {
		switch said := out.String(); {
		case strings.Contains(said, "\n--- PASS: "+name+" "):
		case strings.Contains(said, "\n--- SKIP: "+name+" "):
			t.Logf("%s is skipped here, whatever the rights", name)
		default:
			err = errors.Join(err, fmt.Errorf("%s did not pass", name))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// copyOfUs is a second program like this one: what it starts is not taken for
// what this one left behind.
func copyOfUs(t *testing.T) string {
	t.Helper()
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	path := filepath.Join(dir, "ruled.test")
	if err := errors.Join(os.Chmod(dir, 0o755), writeProgram(path, exe)); err != nil {
		t.Fatal(err)
	}
	return path
}

// keepOnly leaves the calling thread, and what it executes, these capabilities.
func keepOnly(names []string) error {
	for _, r := range rights {
		if !slices.Contains(names, r.name) {
			return fmt.Errorf("%s is not told", r.name)
		}
	}
	for c := range unix.CAP_LAST_CAP + 1 {
		if slices.ContainsFunc(rights, func(r right) bool { return r.number == c }) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && err != unix.EINVAL {
			return err
		}
	}
	return noNewPrivileges()
}

// hideOthers gives the calling thread the /proc of a unit with ProtectProc=invisible.
func hideOthers() error {
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
		return err
	}
	return mountNew("proc", "/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=invisible")
}

// What root needs at the least, and what the unit gives it, are two lists.
func TestRights_HoldWhatTheDoctorAsksFor(t *testing.T) {
	t.Parallel()
	for _, c := range ruling {
		if !slices.Contains(Rights(), c.name) {
			t.Errorf("%s is asked for and not given", c.name)
		}
	}
	for _, name := range []string{"CAP_MKNOD", "CAP_SYS_PTRACE", "CAP_NET_BIND_SERVICE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_NET_RAW", "CAP_SYS_RESOURCE"} {
		if slices.Contains(Rights(), name) {
			t.Errorf("%s is given", name)
		}
	}
}
