#!/usr/bin/env python3
"""nginx in front, as docs/http-recipes.md has it, over the Unix socket and over TCP.

Usage: nginx_test SERVER
"""

from harness import filled, free_port, main, recipe
from proxies import ProxyTest

# What nginx wants around a file of conf.d/, for a user who owns nothing but a folder.
# (As root it would give its folders to another user, whom a sandbox may not have.)
AROUND = """daemon off;
user root root;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {recipe}
}}
"""


class NginxTest(ProxyTest):
    programs = ("nginx",)
    unix = "unix:"

    def proxy(self, upstream, left_out=None):
        port = free_port()
        text = filled(recipe("nginx", 1)[0], {
            "unix:/run/objmapper/objmapper.sock": upstream,
            "listen 80": f"listen 127.0.0.1:{port}"})
        if left_out is not None:
            text = filled(text, {left_out: ""})
        configuration = self.folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=self.folder, recipe=text))
        self.start(["nginx", "-e", "stderr", "-p", self.folder, "-c", configuration], port)
        return self.connection(port)

    def test_tcp(self):
        self.tapped()

    def test_unix(self):
        self.tapped(self.folder / "tap")

    def test_directly(self):
        self.read_much(self.proxy(f"unix:{self.server.socket}"))

    def test_host_has_to_be_said(self):
        """The reason for that line."""
        proxy = self.proxy(f"127.0.0.1:{self.server.port}",
                           left_out="        proxy_set_header Host localhost;\n")
        answer, body = self.ask(proxy, "GET", "/path/object")
        self.assertEqual(answer.status, 421)
        self.assertIn(b"--http_hosts", body)

    def test_connections_that_end_lose_nothing(self):
        self.end_often()

    def test_lists(self):
        self.list_folders()

    def test_stores(self):
        self.store()


if __name__ == "__main__":
    main()
