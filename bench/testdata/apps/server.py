"""Python's own http.server on descriptor 3 (fd), SOCKET_PATH (unix) or PORT (tcp)."""
import http.server
import os
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def address_string(self):
        return "-"

    def log_message(self, *_):
        pass


def listener(how):
    if how == "fd":
        return socket.socket(fileno=3)
    if how == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.bind(os.environ["SOCKET_PATH"])
    else:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", int(os.environ["PORT"])))
    s.listen(128)
    return s


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, s):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = s
        self.server_name, self.server_port = "localhost", 0


Server(listener(sys.argv[1])).serve_forever()
