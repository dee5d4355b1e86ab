"""Two SQLite databases that are written to without pause, one with a log (WAL) and
one with a rollback journal. In each, after every transaction, total.n is the number
of the newest entry and the last KEPT entries are there. GET / says how far both are,
GET /rest too, and ends the writing."""
import http.server
import os
import sqlite3
import sys
import threading
import time

KEPT = 1000
counts = {}
resting = threading.Event()


def write(name, mode):
    db = sqlite3.connect(os.path.join(os.environ["DATA_DIR"], name), isolation_level=None, timeout=120)
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("PRAGMA synchronous=OFF")  # what a power cut loses is not asked here
    db.execute("PRAGMA wal_autocheckpoint=20")
    db.execute("CREATE TABLE IF NOT EXISTS total(n INTEGER)")
    db.execute("CREATE TABLE IF NOT EXISTS entry(place INTEGER PRIMARY KEY, n INTEGER, text BLOB)")
    db.execute("INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT * FROM total)")
    while not resting.is_set():
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE total SET n = n + 1")
        db.execute(f"INSERT OR REPLACE INTO entry SELECT n % {KEPT}, n, randomblob(2000 + abs(random()) % 3000) FROM total")
        (counts[name],) = db.execute("SELECT n FROM total").fetchone()
        db.execute("COMMIT")
        time.sleep(0.002)  # others are tested beside it


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/rest":
            resting.set()
            for thread in writers:
                thread.join()
        body = " ".join(str(counts.get(name, 0)) for name in MODES).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


MODES = {"log.db": "WAL", "deep/journal.db": "DELETE"}
os.makedirs(os.path.join(os.environ["DATA_DIR"], "deep"), exist_ok=True)
writers = [threading.Thread(target=write, args=(one, MODES[one]), daemon=True) for one in sys.argv[1:] or MODES]
for writer in writers:
    writer.start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
