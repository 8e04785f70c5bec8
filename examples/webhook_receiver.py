"""A webhook endpoint that verifies the signature of every event."""

import hashlib
import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = os.environ.get("SIGNING_KEY", "sk_test_default").encode()
PORT = int(os.environ.get("PORT", "9000"))


def is_genuine(body, signature):
    """Compares in constant time, over the raw bytes of the body."""
    expected = hmac.new(KEY, body, hashlib.sha512).hexdigest()
    return hmac.compare_digest(expected.encode(), (signature or "").encode())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not is_genuine(body, self.headers.get("x-payluk-signature")):
            self.reply(401)
            return
        self.reply(204)  # answer first, work later
        event = json.loads(body)
        print(event["event"], event["data"]["id"], event["data"]["status"], flush=True)

    def reply(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        """Keeps the output to one line for each event."""


server = HTTPServer(("127.0.0.1", PORT), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
