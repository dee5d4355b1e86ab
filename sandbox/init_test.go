package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestInit_TheBytesAreTheSources(t *testing.T) {
	t.Parallel()
	for arch, machine := range initMachines {
		t.Run(arch, func(t *testing.T) {
			if want := assembled(t, arch, "init/init_"+arch+".S"); !bytes.Equal(want, machine.code) {
				t.Errorf("init.go does not hold what init_%s.S says:\n% x", arch, want)
			}
		})
	}
}

// An ordinary user's PID 1 can mount nothing, and says so; then it stays.
func TestInit_TellsHowItWentAndStays(t *testing.T) {
	t.Parallel()
	for arch, machine := range initMachines {
		t.Run(arch, func(t *testing.T) {
			emulator := emulatorFor(t, arch)
			file := filepath.Join(shortDir(t), "init")
			if err := os.WriteFile(file, program(machine.elf, machine.code), 0o755); err != nil {
				t.Fatal(err)
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.Command(file)
			if emulator != "" {
				cmd = exec.Command(emulator, file)
			}
			cmd.ExtraFiles, cmd.SysProcAttr = []*os.File{w}, nobody()
			if os.Geteuid() == 0 {
				if err := os.Chmod(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			w.Close()
			var answer [8]byte
			n, err := r.Read(answer[:])
			if err != nil || n != 4 || binary.LittleEndian.Uint32(answer[:]) == 0 {
				t.Errorf("%d bytes, %v: % x", n, err, answer)
			}
			if n, _ := r.Read(answer[:]); n != 0 {
				t.Error("it does not close what it wrote to")
			}
			if !alive(cmd.Process.Pid) {
				t.Error("it did not stay")
			}
		})
	}
}

func TestInit_AnUnknownMachineIsTold(t *testing.T) {
	t.Parallel()
	if _, err := initFor("riscv64"); err == nil || err.Error() != `isolation = "namespace" is not built for riscv64` {
		t.Error(err)
	}
	if _, err := initFor(runtime.GOARCH); err != nil && runtime.GOARCH == "amd64" {
		t.Error(err)
	}
}
