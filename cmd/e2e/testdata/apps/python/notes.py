"""Notes, with nothing but what comes with Python: on a socket where one is offered, else on a port."""

import os
import socketserver
from http.server import BaseHTTPRequestHandler

NOTES = os.path.join(os.environ["DATA_DIR"], "notes.txt")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = open(NOTES).read() if os.path.exists(NOTES) else ""
        self.answer(200, f"notes of {os.environ['TENEMENT_ID']}\n{text}")
        print("reading the notes", flush=True)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(NOTES, "a") as f:
            f.write(body + "\n")
        self.answer(201, "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def address_string(self):  # a socket's client has none
        return "-"


path = os.environ.get("SOCKET_PATH")
if path:
    server = socketserver.ThreadingUnixStreamServer(path, Handler)
else:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.serve_forever()
