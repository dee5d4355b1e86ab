package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// victimTargets is what a victim says about itself, for others to go for. What
// its own enclosure did not let it make is in Missing.
type victimTargets struct {
	UID       int
	Socket    string   // its SOCKET_PATH
	OwnPort   int      // its PORT
	Address   uintptr  // of the secret in its memory
	Port      int      // a second port, on every address
	Addresses []string // of its network
	Abstract  string   // a socket without a file
	Key       int      // of shared memory, semaphores and a message queue
	Queue     string
	File      string   // in /tmp, /dev/shm and Places
	Places    []string // other directories that anybody may write in
	Missing   map[string]string
}

// secretInMemory does not move.
var secretInMemory [64]byte

// victim behaves as carelessly as an app may that trusts its enclosure: all that
// it makes is open to everybody. GET /targets tells where it is.
func victim() {
	nonce, secret := os.Args[2], os.Getenv("SECRET")
	copy(secretInMemory[:], secret)
	port, _ := strconv.Atoi(os.Getenv("PORT"))
	v := &victimTargets{
		UID: os.Getuid(), Socket: os.Getenv("SOCKET_PATH"), OwnPort: port, Address: uintptr(unsafe.Pointer(&secretInMemory)), Abstract: "victim-" + nonce, Queue: "victim-" + nonce,
		File: "victim-" + nonce, Key: keyOf(nonce), Missing: map[string]string{},
	}
	v.share(secret)
	log.Print("the victim lives")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { // for the life of the process
		<-term
		v.unshare()
		os.Exit(0)
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv("TENEMENT_SERVICE")) })
	http.HandleFunc("/targets", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(v) })
	if os.Getenv("SOCKET_PATH") != "" && os.Getenv("PORT") != "" {
		l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
		if err != nil {
			log.Fatal(err)
		}
		go http.Serve(l, nil) // for the life of the process
	}
	l := listen()
	if path := os.Getenv("SOCKET_PATH"); path != "" {
		os.Chmod(path, 0o777)
	}
	log.Fatal(http.Serve(l, nil))
}

// keyOf makes a System V key of a nonce.
func keyOf(nonce string) int {
	key := 0
	for _, c := range nonce {
		key = (key*31 + int(c)) & 0x7fffffff
	}
	return key | 1
}

// share puts the secret wherever processes share things.
func (v *victimTargets) share(secret string) {
	v.note("data", os.WriteFile(filepath.Join(os.Getenv("DATA_DIR"), "secret"), []byte(secret), 0o644))
	lock, err := os.Create(filepath.Join(os.Getenv("DATA_DIR"), "locked"))
	if err == nil { // never closed: the lock lives as long as this process
		err = unix.FcntlFlock(lock.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 1})
	}
	v.note("lock", err)
	for _, dir := range append(worldWritable(), "/tmp", "/dev/shm") {
		if err := os.WriteFile(filepath.Join(dir, v.File), []byte(secret), 0o644); err != nil {
			v.note(dir, err)
		} else if dir != "/tmp" && dir != "/dev/shm" {
			v.Places = append(v.Places, dir)
		}
	}
	v.note("abstract", v.answer("unix", "@"+v.Abstract, secret))
	v.note("port", v.answer("tcp", "0.0.0.0:0", secret))
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			v.Addresses = append(v.Addresses, ip.IP.String())
		}
	}
	v.shareIPC(secret)
	_, err = unix.AddKey("user", v.File, []byte(secret), unix.KEY_SPEC_USER_KEYRING)
	v.note("key", err)
}

func (v *victimTargets) shareIPC(secret string) {
	id, err := unix.SysvShmGet(v.Key, 4096, unix.IPC_CREAT|0o666)
	if err == nil {
		var memory []byte
		if memory, err = unix.SysvShmAttach(id, 0, 0); err == nil {
			copy(memory, secret)
		}
	}
	v.note("shm", err)
	_, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(v.Key), 1, unix.IPC_CREAT|0o666)
	v.note("sem", errnoError(errno))
	_, _, errno = unix.Syscall(unix.SYS_MSGGET, uintptr(v.Key), unix.IPC_CREAT|0o666, 0)
	v.note("msg", errnoError(errno))
	name, _ := unix.BytePtrFromString(v.Queue)
	_, _, errno = unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o666, 0, 0, 0)
	v.note("mqueue", errnoError(errno))
}

// unshare removes what would outlive the process.
func (v *victimTargets) unshare() {
	for _, dir := range append(v.Places, "/tmp", "/dev/shm") {
		os.Remove(filepath.Join(dir, v.File))
	}
	if id, err := unix.SysvShmGet(v.Key, 0, 0); err == nil {
		unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
	if id, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(v.Key), 1, 0); errno == 0 {
		unix.Syscall6(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID, 0, 0, 0)
	}
	if id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(v.Key), 0, 0); errno == 0 {
		unix.Syscall(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0)
	}
	name, _ := unix.BytePtrFromString(v.Queue)
	unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0)
	if id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", v.File, 0); err == nil {
		unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	}
}

func (v *victimTargets) note(what string, err error) {
	if err != nil {
		v.Missing[what] = err.Error()
	}
}

// answer tells the secret to whoever connects.
func (v *victimTargets) answer(network, address, secret string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		v.Port = a.Port
	}
	go func() { // for the life of the process
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte(secret))
			c.Close()
		}
	}()
	return nil
}

// worldWritable finds directories that anybody may write in, three levels deep;
// not the tenant's own.
func worldWritable() []string {
	var found []string
	own := os.Getenv("DATA_DIR")
	filepath.WalkDir("/", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil
		case path == "/proc", path == "/sys", path == "/tmp", path == "/dev/shm", path == "/dev/fd", strings.Count(path, "/") > 3:
			return fs.SkipDir
		}
		if i, err := e.Info(); err == nil && i.Mode().Perm()&0o002 != 0 && (own == "" || !strings.HasPrefix(own, path)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}
