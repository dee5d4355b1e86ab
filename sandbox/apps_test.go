package sandbox

import (
	"os"
	"os/exec"
	"testing"
)

// What programs expect of a system, at LevelNamespace: each prints "ok" when it
// has what it needs.
var programs = map[string]struct{ needs, code string }{
	"python threads, processes, sqlite3, shared memory and temporary files": {"/usr/bin/python3", `
import threading, multiprocessing, sqlite3, tempfile, os, subprocess, socket, ssl, time, zoneinfo, locale, getpass, pwd
results = []
ts = [threading.Thread(target=results.append, args=(i,)) for i in range(50)]
[t.start() for t in ts]; [t.join() for t in ts]
assert sorted(results) == list(range(50))
with multiprocessing.Pool(4) as pool:
    assert pool.map(abs, range(-100, 0)) == list(range(100, 0, -1))
lock = multiprocessing.Lock()
with lock: pass
from multiprocessing import shared_memory
m = shared_memory.SharedMemory(create=True, size=1 << 20); m.buf[0] = 7; m.close(); m.unlink()
path = os.path.join(os.environ["DATA_DIR"], "db")
db = sqlite3.connect(path); db.execute("pragma journal_mode=wal"); db.execute("create table t(x)"); db.execute("insert into t values (1)"); db.commit()
assert db.execute("select x from t").fetchall() == [(1,)]
with tempfile.NamedTemporaryFile() as f: f.write(b"x" * 100000); f.flush()
for _ in range(200): subprocess.run(["/bin/true"], check=True)
os.rename(path, os.path.join(os.environ["DATA_DIR"], "renamed"))
os.makedirs(os.environ["DATA_DIR"] + "/a"); os.makedirs(os.environ["DATA_DIR"] + "/b"); open(os.environ["DATA_DIR"] + "/a/f", "w").close()
os.rename(os.environ["DATA_DIR"] + "/a/f", os.environ["DATA_DIR"] + "/b/f")
assert len(os.urandom(16)) == 16
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); c.close()
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
socket.getaddrinfo("localhost", 80); assert socket.gethostbyname(socket.gethostname()) == "127.0.0.1"
ssl.create_default_context()
assert getpass.getuser() == "tenant" and pwd.getpwuid(os.getuid()).pw_dir == os.environ["DATA_DIR"]
import pty; pid, fd = pty.fork()
if pid == 0: os.execv("/bin/echo", ["echo", "from a terminal"])
assert b"from a terminal" in os.read(fd, 100)
os.mkfifo(os.environ["DATA_DIR"] + "/fifo"); os.nice(1); os.sched_getaffinity(0); time.get_clock_info("monotonic")
import resource; resource.getrlimit(resource.RLIMIT_NOFILE); open("/proc/self/comm", "w").write("renamed"); open("/proc/meminfo").read(); open("/proc/cpuinfo").read()
print("ok")
`},
	"node with worker threads, children, a heap snapshot and a watcher": {"/usr/bin/node", `
const { Worker } = require('worker_threads'), fs = require('fs'), cp = require('child_process'), dir = process.env.DATA_DIR, os = require('os'), dns = require('dns');
(async () => {
  await Promise.all([...Array(8)].map(() => new Promise((good, bad) => new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true }).on('message', good).on('error', bad))));
  for (let i = 0; i < 50; i++) cp.execFileSync('/bin/true');
  await new Promise((good, bad) => { const w = fs.watch(dir, () => { w.close(); good(); }); fs.writeFileSync(dir + '/x', 'x'); });
  await new Promise((good) => { const c = cp.fork('-e', ['process.send(1)'], { execArgv: ['-e', 'process.send(1)'] }); c.on('message', good); });
  await fs.promises.copyFile(dir + '/x', '/tmp/y');
  os.cpus(); os.networkInterfaces(); os.userInfo(); process.memoryUsage(); os.totalmem(); process.constrainedMemory && process.constrainedMemory();
  await dns.promises.lookup('localhost'); require('crypto').randomBytes(16);
  new Intl.DateTimeFormat('de', { timeZone: 'Europe/Berlin' }).format(new Date(0));
  console.log('ok');
})();
`},
	"perl with system calls of every age": {"/usr/bin/perl", `
use POSIX; use Socket; use Time::HiRes; use File::Temp; use IPC::SysV; 
for (1..100) { my $p = fork; exit 0 if !$p; waitpid $p, 0 }
alarm 0; select undef, undef, undef, 0.001; umask 022; my $q = shmget(IPC::SysV::IPC_PRIVATE(), 100, 0600) // die "shm: $!"; shmctl $q, IPC::SysV::IPC_RMID(), 0;
socketpair A, B, AF_UNIX, SOCK_STREAM, 0 or die; getpwuid $< or die; getgrgid $( or die; POSIX::setsid(); setpriority 0, 0, 1;
mkdir "$ENV{DATA_DIR}/d" or die; chmod 0755, "$ENV{DATA_DIR}/d" or die; symlink "d", "$ENV{DATA_DIR}/l" or die; link $0, "/tmp/none"; utime 0, 0, "$ENV{DATA_DIR}/d" or die; 
open F, ">", "$ENV{DATA_DIR}/f" or die; flock F, 2 or die; truncate F, 100 or die; print "ok\n";
`},
}

func TestNamespace_ProgramsFindWhatTheyExpect(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{})
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(p.needs); err != nil {
				t.Skipf("%s is not installed", p.needs)
			}
			s := inNamespace(t, character(t, ""))
			file := s.DataDir + "/program"
			if err := os.WriteFile(file, []byte(p.code), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Argv, s.Env = []string{p.needs, file}, append(s.Env, "DATA_DIR="+s.DataDir, "HOME="+s.DataDir)
			if got := outcome(t, e, s); got != "ok\n" {
				t.Error(got)
			}
		})
	}
}
