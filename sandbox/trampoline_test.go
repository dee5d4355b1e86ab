package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTrampoline_TheBytesAreTheSources(t *testing.T) {
	t.Parallel()
	for arch, machine := range machines {
		t.Run(arch, func(t *testing.T) {
			if want := assembled(t, arch, "trampoline/trampoline_"+arch+".S"); !bytes.Equal(want, machine.code) {
				t.Errorf("trampoline.go does not hold what trampoline_%s.S says:\n% x", arch, want)
			}
		})
	}
}

// assembled is the machine code of a source.
func assembled(t *testing.T, arch, source string) []byte {
	t.Helper()
	prefix := map[string]string{"amd64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}[arch]
	if arch == runtime.GOARCH {
		prefix = ""
	}
	if _, err := exec.LookPath(prefix + "as"); err != nil {
		t.Skipf("no %sas here: install binutils for %s", prefix, arch)
	}
	dir := t.TempDir()
	object, code := filepath.Join(dir, "t.o"), filepath.Join(dir, "t.bin")
	for _, argv := range [][]string{{prefix + "as", "-o", object, source}, {prefix + "objcopy", "-O", "binary", "-j", ".text", object, code}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
	}
	data, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bounced runs the trampoline of one machine, perhaps under an emulator, and
// gives what came out of stdout and of the error pipe.
func bounced(t *testing.T, arch, emulator string, argv ...string) (out string, errno unix.Errno, code int) {
	t.Helper()
	program, err := trampolineFor(arch, nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trampoline")
	if err := writeProgram(file, program); err != nil {
		t.Fatal(err)
	}
	listener, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := &exec.Cmd{Path: file, Args: argv}
	if emulator != "" {
		cmd = exec.Command(emulator, append([]string{"-0", argv[0], file}, argv[1:]...)...)
	}
	// The reserved entry has to be the first one.
	cmd.Env = []string{reservedPid, "LISTEN_FDS=1", "OTHER=kept"}
	if emulator != "" {
		slices.Reverse(cmd.Env) // qemu turns it round
	}
	cmd.ExtraFiles = []*os.File{listener, w, listener}
	text, err := cmd.Output()
	w.Close()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	var number [4]byte
	if n, _ := r.Read(number[:]); n == 4 {
		errno = unix.Errno(binary.LittleEndian.Uint32(number[:]))
	}
	return string(text), errno, cmd.ProcessState.ExitCode()
}

func TestTrampoline_TellsTheAppsOwnPidAndShutsWhatIsNotTheApps(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			emulator := emulatorFor(t, arch)
			out, errno, code := bounced(t, arch, emulator, "/bin/sh", "sh", "-c", `echo "$$ $LISTEN_PID $LISTEN_FDS $OTHER"; ls /proc/$$/fd; tr "\0" "\n" < /proc/$$/environ; exit 4`)
			fields := strings.Fields(out)
			if code != 4 || errno != 0 || len(fields) < 4 || fields[0] != fields[1] || fields[2] != "1" || fields[3] != "kept" {
				t.Fatalf("code %d, errno %v: %s", code, errno, out)
			}
			if strings.Contains(out, "\n4\n") || strings.Contains(out, "\n5\n") || !strings.Contains(out, "\n3\n") {
				t.Errorf("the app got other files than fd 3: %s", out)
			}
			if !regexp.MustCompile(`\nLISTEN_PID=[1-9][0-9]*\nLISTEN_FDS=1\nOTHER=kept\n`).MatchString(out) {
				t.Errorf("the environment: %s", out)
			}
		})
	}
}

func TestTrampoline_TellsWhyExecveFailed(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			emulator := emulatorFor(t, arch)
			for path, want := range map[string]unix.Errno{"/no/such/app": unix.ENOENT, "/etc/passwd": unix.EACCES, "/etc/passwd/app": unix.ENOTDIR} {
				if _, errno, code := bounced(t, arch, emulator, path, path); errno != want || code != 127 {
					t.Errorf("%s: %v, code %d", path, errno, code)
				}
			}
		})
	}
}

// emulatorFor is "" for this machine's own programs.
func emulatorFor(t *testing.T, arch string) string {
	t.Helper()
	if arch == runtime.GOARCH {
		return ""
	}
	name := map[string]string{"arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}[arch]
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here to run %s programs: install qemu-user", name, arch)
	}
	return path
}

func TestTrampoline_AnUnknownMachineIsTold(t *testing.T) {
	t.Parallel()
	if _, err := trampolineFor("riscv64", nil); err == nil || !strings.Contains(err.Error(), `listen = "fd" is not built for riscv64`) {
		t.Error(err)
	}
}

func TestTrampoline_AFileDoesWhereMemoryMayNotBeExecuted(t *testing.T) {
	t.Parallel()
	program, err := trampolineFor(runtime.GOARCH, nil)
	if err != nil {
		t.Skip(err)
	}
	dir := shortDir(t)
	fd, err := diskFile(dir, program)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Options{})
	e.trampolines[LevelProcess] = fd
	s := withSocket(character(t, "listensFD"))
	s.Listen = ListenFD
	n := start(t, e, s)
	at, err := n.Ready(patient(t))
	if err != nil || ask(t, at) != strconv.Itoa(n.Pid()) {
		t.Errorf("%v %v", at, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, err := diskFile(filepath.Join(dir, "none"), program); err == nil || !strings.Contains(err.Error(), "cannot make the trampoline") {
		t.Error(err)
	}
}

func TestMemoryFile_CannotBeChanged(t *testing.T) {
	t.Parallel()
	fd, err := memoryFile([]byte("program"))
	if err != nil {
		t.Skipf("this kernel executes no memory files: %v", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, []byte("X"), 0); err != unix.EPERM {
		t.Errorf("%v", err)
	}
}
