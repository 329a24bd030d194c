"""HTTP by http.server's handlers, a thread a connection, on a TAP. Needs root.

python examples/blocking_http.py [cert.pem key.pem] &
curl http://10.0.0.2/
curl --data-binary @FILE http://10.0.0.2/ | cmp - FILE
"""

import contextlib
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler

from sansio_net.adapters.blocking import open_nic


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host, port = self.client_address
        self.answer(f"hello {host} port {port}\n".encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def serve(sock, address, context):
    """One connection, to its end."""
    with contextlib.suppress(OSError):
        if context is not None:  # TLS needs a real descriptor
            sock = context.wrap_socket(nic.bridge(sock), server_side=True)
        with sock:
            Handler(sock, address, None)


def accept(server, context):
    while True:
        try:
            sock, address = server.accept()
        except OSError:
            return  # the NIC is closed
        threading.Thread(target=serve, args=(sock, address, context)).start()


with (
    contextlib.suppress(KeyboardInterrupt),
    open_nic("tap:http0", ["10.0.0.2/24"], host_address="10.0.0.1/24") as nic,
):
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[1:3])
        server = nic.create_server(("10.0.0.2", 443))
        threading.Thread(target=accept, args=(server, context)).start()
    server = nic.create_server(("10.0.0.2", 80))
    print("serving on 10.0.0.2", flush=True)
    accept(server, None)
