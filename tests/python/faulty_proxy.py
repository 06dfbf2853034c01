"""A proxy that breaks answers of a server, for the tests of the examples. The first folder of a path says how: a client that
has `<proxy>/html` as the address of its server gets a page of HTML as the first answer of each route.

Usage: faulty_proxy.py URL. It prints its own address, and runs until it is killed.
"""

import email.utils
import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

SERVER = sys.argv[1]
# The server is on this machine, whatever proxy the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PAGE = b"<html><body>Bad gateway</body></html>"
QUOTED = 'He said "yes" \\ [and] left, {"text":"so"}: 録音'
# The cursor of a second page, as it stands in an address.
CURSOR = "rest%26more"
# The methods and paths whose first answer has been broken.
BROKEN, LOCK = set(), threading.Lock()


def html(status, **headers):
    return status, {"Content-Type": "text/html", **headers}, PAGE


def problem(status, code, **headers):
    body = {"type": f"/errors/{code}", "title": code, "status": status, "detail": "The proxy says so.", "code": code}
    return status, {"Content-Type": "application/problem+json", **headers}, json.dumps(body).encode()


def date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


# What comes instead of the first answer of each address. `cut`, `gone` and `pages` are in the handler.
ONCE = {
    "html": lambda: html(502),
    "lost": lambda: html(404),
    "portal": lambda: html(200),
    "other": lambda: (200, {"Content-Type": "application/json"}, b'{"status":"ok"}'),
    "date": lambda: html(503, **{"Retry-After": date(8)}),
    "wait": lambda: problem(429, "rate_limited", **{"Retry-After": "3"}),
    "never": lambda: problem(429, "rate_limited", **{"Retry-After": "99999999999999999999"}),
    "tomorrow": lambda: html(503, **{"Retry-After": date(86400)}),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        how, path = self.path[1:].split("/", 1)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        with LOCK:
            first = (self.command, self.path) not in BROKEN
            BROKEN.add((self.command, self.path))
        if first and how in ONCE:
            self.reply(*ONCE[how]())
        elif how == "gone" and path.startswith("v2/conversations/"):
            self.reply(*problem(404, "conversation_not_found"))
        elif how == "pages" and path.startswith("v2/conversations/") and not path.endswith(f"?cursor={CURSOR}"):
            page = {"segments": [{"text": QUOTED}], "next_cursor": urllib.parse.unquote(CURSOR)}
            self.reply(200, {}, json.dumps(page).encode())
        else:
            status, headers, answer = self.forward(path, body)
            self.reply(status, headers, answer, cut=how == "cut" and first)

    do_POST = do_GET

    def forward(self, path, body):
        """The answer of the server. It does not see the cursor that this proxy made up."""
        if path.startswith("v2/conversations/"):
            path = path.split("?")[0]
        kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
        request = urllib.request.Request(f"{SERVER}/{path}", body, kept, method=self.command)
        try:
            answer = DIRECT.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, {"Content-Type": answer.headers["Content-Type"]}, answer.read()

    def reply(self, status, headers, body, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_):
        pass


proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{proxy.server_port}", flush=True)
proxy.serve_forever()
