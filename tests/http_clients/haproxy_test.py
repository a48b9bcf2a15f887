#!/usr/bin/env python3
"""HAProxy in front, as docs/http-recipes.md has it, over the Unix socket and over TCP.

Usage: haproxy_test SERVER
"""

from harness import filled, free_port, main, recipe, wait_until
from proxies import ProxyTest


class HaproxyTest(ProxyTest):
    programs = ("haproxy",)
    unix = "unix@"

    def proxy(self, upstream):
        port = free_port()
        configuration = self.folder / "haproxy.cfg"
        configuration.write_text(filled(recipe("HAProxy", 1)[0], {
            "unix@/run/objmapper/objmapper.sock": upstream, "bind :80": f"bind 127.0.0.1:{port}"}))
        self.start(["haproxy", "-db", "-f", configuration], port)
        return self.connection(port)

    def looks(self, seen):
        """HAProxy's own question, as old as it comes and without a Host, is answered."""
        check = wait_until(lambda: seen.requests("OPTIONS"), "a check")[0]
        self.assertEqual((check.target, check.version, check.fields), ("/", "HTTP/1.0", {}))
        got = next(got for sent, got in seen.connections if sent.startswith(b"OPTIONS"))
        wait_until(lambda: got, "an answer to the check")
        self.assertTrue(bytes(got).startswith(b"HTTP/1.1 204 "), bytes(got[:200]))

    def test_tcp(self):
        self.looks(self.tapped())

    def test_unix(self):
        self.looks(self.tapped(self.folder / "tap"))

    def test_directly(self):
        self.read_much(self.proxy(f"unix@{self.server.socket}"))

    def test_a_server_that_goes_and_comes(self):
        """Its checks notice."""
        path = self.folder / "upstream"
        seen = self.tap(self.server.socket, path)
        proxy = self.proxy(f"unix@{path}")
        self.read_much(proxy)
        seen.close()
        path.unlink()
        wait_until(lambda: self.ask(proxy, "GET", "/path/object")[0].status == 503, "it notices")
        self.tap(self.server.socket, path)
        wait_until(lambda: self.ask(proxy, "GET", "/path/object")[0].status == 200, "it is back")

    def test_connections_that_end_lose_nothing(self):
        self.end_often()

    def test_lists(self):
        self.list_folders()

    def test_stores(self):
        self.store()


if __name__ == "__main__":
    main()
