"""GP systems that go wrong, each in its own way and on its own port of 127.0.0.1; prints the ports as one line of JSON.

The argument is a folder with the certificates NAME.pem and keys NAME.key. Ends when its standard input is closed.
"""
import http.server
import json
import os
import socket
import ssl
import sys
import threading

PEOPLE = "Lovelace"  # stands for what a server may say of a person or of our secret: none of it may be repeated
STATEMENT = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"mode": "server", "resource": []}]}
EMPTY = {"resourceType": "Bundle", "type": "searchset"}
GRANTED = {"access_token": "granted-swordfish", "token_type": "Bearer", "expires_in": 60, "scope": "system/ServiceRequest.r"}


class Handler(http.server.BaseHTTPRequestHandler):
    mode = ""

    def log_message(self, *_):
        pass

    def say(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value):
        self.say(status, "application/json", json.dumps(value).encode())

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer()

    def answer(self):
        if self.path == "/token":
            refused = {"error": "invalid_client", "error_description": PEOPLE}
            return self.json(200, GRANTED) if self.mode == "narrow" else self.json(401, refused)
        if self.path.endswith("/metadata") and self.mode != "html":
            return self.json(200, STATEMENT)
        kind = {"html": self.html, "endless": self.endless, "huge": self.huge, "deep": self.deep, "password": self.password}
        return kind.get(self.mode, lambda: self.json(200, EMPTY))()

    def html(self):
        self.say(200, "text/html", b"<!DOCTYPE html><html><body>Sign in, %s</body></html>" % PEOPLE.encode())

    def password(self):
        self.json(401, {"resourceType": "OperationOutcome", "issue": [{"diagnostics": PEOPLE}]})

    def deep(self):
        self.say(200, "application/fhir+json", b'{"resourceType":"Bundle","entry":' + b"[" * 100000 + b"]" * 100000 + b"}")

    def huge(self):
        """10 GB, if anybody reads them."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"resourceType":"Bundle","id":"')
        for _ in range(160 * 1024):
            self.wfile.write(b"x" * 65536)

    def endless(self):
        number = int(self.path.rpartition("=")[2]) + 1 if "=" in self.path else 1
        entry = {"resource": {"resourceType": "Organization", "id": str(number)}, "search": {"mode": "include"}}
        link = {"relation": "next", "url": "/fhir/ServiceRequest?page=%d" % number}
        self.json(200, dict(EMPTY, entry=[entry], link=[link]))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context = None

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread: a client that refuses ends that one only.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        self.RequestHandlerClass(request, client_address, self)

    def handle_error(self, *_):
        pass


def start(mode, certificate=None, client_authority=None):
    server = Server(("127.0.0.1", 0), type("Of", (Handler,), {"mode": mode}))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate + ".pem", certificate + ".key")
        if client_authority:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        server.context = context
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


os.chdir(sys.argv[1])
ports = {mode: start(mode) for mode in ["html", "endless", "huge", "deep", "password", "refuse", "narrow"]}
ports.update({"tls": start("", "good"), "expired": start("", "expired"), "name": start("", "name")})
ports["mutual"] = start("", "good", "ca.pem")
silent = socket.create_server(("127.0.0.1", 0))
ports["silent"] = silent.getsockname()[1]
print(json.dumps(ports), flush=True)
sys.stdin.read()
