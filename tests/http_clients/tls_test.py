#!/usr/bin/env python3
"""TLS in front, by HAProxy and by stunnel, as docs/http-recipes.md has it.

Usage: tls_test SERVER
"""

import ssl
import socket

from harness import PATIENCE_S, ClientTest, filled, free_port, main, random_bytes, recipe

# What runs stunnel for a user who owns nothing but a folder.
FOREGROUND = "foreground = yes\npid =\n"


class TlsTest(ClientTest):
    programs = ("curl", "haproxy", "stunnel4", "openssl")
    flags = ("--writable",)

    def setUp(self):
        super().setUp()
        self.content = random_bytes(2_000_000)
        self.server.write("object", self.content)
        self.port = free_port()
        self.certificate = self.folder / "certificate.pem"
        key = self.folder / "key.pem"
        self.run_program("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                         self.certificate, "-days", "2", "-subj", "/CN=objects.example", "-addext",
                         "subjectAltName=DNS:objects.example")
        self.both = self.folder / "both.pem"
        self.both.write_text(self.certificate.read_text() + key.read_text())

    def haproxy(self):
        bind = filled(recipe("TLS", 2)[0], {":443": f"127.0.0.1:{self.port}",
                                            "/etc/ssl/private/objmapper.pem": self.both})
        configuration = self.folder / "haproxy.cfg"
        configuration.write_text(filled(recipe("HAProxy", 1)[0], {
            "    bind :80\n": bind, "/run/objmapper/objmapper.sock": self.server.socket}))
        self.start(["haproxy", "-db", "-f", configuration], self.port)

    def stunnel(self):
        configuration = self.folder / "stunnel.conf"
        configuration.write_text(FOREGROUND + filled(recipe("TLS", 2)[1], {
            "accept = 443": f"accept = 127.0.0.1:{self.port}",
            "/run/objmapper/objmapper.sock": self.server.socket,
            "/etc/ssl/private/objmapper.pem": self.both}))
        self.start(["stunnel4", configuration], self.port)

    def curl(self, *arguments, path="object", code=0):
        """The version of HTTP and the status; what came goes to the file `got`."""
        return self.run_program("curl", "--silent", "--show-error", "--cacert", self.certificate,
                                "--connect-to", f"::127.0.0.1:{self.port}", "-o",
                                self.folder / "got", "-w", "%{http_version} %{http_code}",
                                *arguments, f"https://objects.example/{path}", code=code)

    def talk(self, version):
        self.assertEqual(self.curl(), f"{version} 200")
        self.assertEqual((self.folder / "got").read_bytes(), self.content)
        self.assertEqual(self.curl("-r", "7-99"), f"{version} 206")
        self.assertEqual((self.folder / "got").read_bytes(), self.content[7:100])
        self.assertEqual(self.curl("-I"), f"{version} 200")
        self.assertEqual(self.curl(path="none"), f"{version} 404")
        self.assertEqual(self.curl("--http1.1"), "1.1 200")

    def stores(self, version):
        for number, body in enumerate((b"short", random_bytes(3_000_000))):
            (self.folder / "body").write_bytes(body)
            self.assertEqual(self.curl("-T", "body", path=f"new/{number}"), f"{version} 201")
            self.assertEqual((self.server.root / f"new/{number}").read_bytes(), body)
        self.assertEqual(self.curl("-X", "DELETE", path="new/0"), f"{version} 204")

    def test_haproxy(self):
        self.haproxy()
        self.talk("2")

    def test_stunnel(self):
        self.stunnel()
        self.talk("1.1")

    def test_stores_through_haproxy(self):
        self.haproxy()
        self.stores("2")

    def test_stores_through_stunnel(self):
        self.stunnel()
        self.stores("1.1")

    def test_own_protocol_through_stunnel(self):
        self.stunnel()
        context = ssl.create_default_context(cafile=str(self.certificate))
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as plain, \
                context.wrap_socket(plain, server_hostname="objects.example") as client:
            client.sendall(b"2\x00\x06object")  # V1, OP_COPY
            got = b""
            while len(got) < 11 + len(self.content):
                piece = client.recv(1 << 16)
                self.assertTrue(piece, "the connection has ended")
                got += piece
        self.assertEqual(got[11:], self.content)


if __name__ == "__main__":
    main()
