"""Notes in SQLite, by a program that uses whatever Python has: threads,
processes that share memory, children, temporary files, time zones, TLS roots.
GET /checks runs all of it and answers with what did not work."""
import http.server
import json
import locale
import multiprocessing
import os
import socketserver
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import zoneinfo
from multiprocessing import shared_memory

DATABASE = os.path.join(os.environ["DATA_DIR"], "notes.db")


def square(n):
    return n * n


def threads():
    found, lock = [], threading.Lock()

    def note(n):
        with lock:
            found.append(n)

    crew = [threading.Thread(target=note, args=(n,)) for n in range(20)]
    for t in crew:
        t.start()
    for t in crew:
        t.join()
    assert sorted(found) == list(range(20))


def processes():
    with multiprocessing.Pool(4) as pool:
        assert pool.map(square, range(50)) == [n * n for n in range(50)]


def shared():
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.buf[0] = 7
    again = shared_memory.SharedMemory(name=block.name)
    assert again.buf[0] == 7
    again.close()
    block.close()
    block.unlink()


def children():
    for _ in range(20):
        assert subprocess.run(["/bin/sh", "-c", "echo $((6*7))"], capture_output=True, check=True).stdout == b"42\n"


def files():
    with tempfile.TemporaryDirectory() as place:
        with open(os.path.join(place, "x"), "wb") as f:
            f.write(os.urandom(100000))
    for device in "null", "zero", "full", "random", "urandom":
        open("/dev/" + device, "rb").close()
    assert os.listdir("/proc/self/fd")


def the_world():
    assert zoneinfo.ZoneInfo("Europe/Berlin")
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    assert ssl.create_default_context().get_ca_certs()
    import pwd
    import socket
    assert pwd.getpwuid(os.getuid()).pw_name
    assert socket.gethostbyname("localhost") == "127.0.0.1" and socket.gethostname()


CHECKS = threads, processes, shared, children, files, the_world


def run_checks():
    failures = {}
    for check in CHECKS:
        try:
            check()
        except Exception as problem:  # each is told to the test
            failures[check.__name__] = repr(problem)
    return {"ran": len(CHECKS), "failures": failures}


class Notes(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/checks":
            return self.answer(200, json.dumps(run_checks()))
        print("reading the notes", flush=True)
        with sqlite3.connect(DATABASE) as db:
            notes = "".join(text + "\n" for (text,) in db.execute("select text from notes order by rowid"))
        self.answer(200, f"notes of {os.environ['TENEMENT_ID']}\n{notes}")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with sqlite3.connect(DATABASE) as db:
            db.execute("insert into notes values (?)", (text,))
        print("wrote a note", flush=True)
        self.answer(201, "")

    def address_string(self):  # a Unix socket's clients have none
        return "visitor"


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with sqlite3.connect(DATABASE) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table if not exists notes (text)")
    if "SOCKET_PATH" in os.environ:
        server = UnixServer(os.environ["SOCKET_PATH"], Notes)
    else:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Notes)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
