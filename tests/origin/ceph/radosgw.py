#!/usr/bin/env python3
"""A Ceph of one node, in memory, and its S3 gateway, on ports of loopback that nobody else has.

    radosgw.py FOLDER ACCESS_KEY SECRET_KEY

Keeps all files in FOLDER, which is empty or not there yet, prints the gateway's URL once it
answers, some seconds later, and runs until its standard input ends. The keys are those of a user
"admin", who may make others (radosgw's admin API). FOLDER/radosgw.log has a line for each request.

At the end, and when a daemon ends by itself, all daemons are killed and FOLDER is removed. When
this process is killed the kernel kills the daemons (PR_SET_PDEATHSIG, prctl(2)); then the folder,
with some megabytes, stays. Nothing is shut down in order: what is in memory would be written to the
disk first.

Without ceph-mgr, since nothing here balances or reports. Daemons and clients do not prove to each
other who they are (auth none), only S3's users do. Without STS: radosgw 16.2 that has it answers
AccessDenied to unknown keys and wrong signatures too.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

PATIENCE_S = 120  # for one step: long, since only what is broken needs it

CONFIG = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
keyring = {folder}/keyring
run dir = {folder}
admin socket =
crash dir = {folder}
log file = {folder}/$name.log
log to stderr = false
mon cluster log to file = false

[mon]
mon data = {folder}/mon
# However full the disk is.
mon data avail warn = 0
mon data avail crit = 0
# What changes is agreed upon at once, and not after a second.
paxos propose interval = 0.02
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false

[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 12884901888
osd class dir = {classes}

[client.rgw]
rgw data = {folder}/rgw
# Its own default, "secure", has no keys here.
ms mon client mode = crc
rgw frontends = beast endpoint=127.0.0.1:{port}
log file = {folder}/radosgw.log
# A line for each request.
debug rgw = 1
# What runs by itself only disturbs.
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw dynamic resharding = false
rgw run sync thread = false
"""


class Reserved:
    """A port that nobody is given. A daemon may bind it, since nobody listens on it yet and both
    say SO_REUSEADDR (socket(7)).
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self._config = folder / "ceph.conf"
        self._daemons = []
        self._mon, self._gateway = Reserved(), Reserved()
        self.url = f"http://127.0.0.1:{self._gateway.port}"

    def start(self, access_key, secret_key):
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        (self.folder / "keyring").touch()
        classes = next(pathlib.Path("/usr/lib").glob("*/rados-classes"), "")
        self._config.write_text(CONFIG.format(folder=self.folder, fsid=fsid, classes=classes,
                                              mon_port=self._mon.port, port=self._gateway.port))
        monmap = str(self.folder / "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
                  f"[v2:127.0.0.1:{self._mon.port}]", monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._start("ceph-mon", "-i", "a")
        self._run("ceph", "--connect-timeout", str(PATIENCE_S), "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start("ceph-osd", "-i", "0")
        self._run("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=admin",
                  "--display-name=admin", f"--access-key={access_key}",
                  f"--secret-key={secret_key}", "--caps=users=*")
        self._start("radosgw", "-n", "client.rgw")
        self._await_gateway()

    def _run(self, program, *arguments):
        done = subprocess.run([program, "-c", str(self._config), *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)} ended with {done.returncode}:\n"
                               f"{done.stdout.decode(errors='replace')}")

    def _start(self, program, *arguments):
        with open(self.folder / f"{program}.out", "wb") as out:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, "-f", "-c",
                                        str(self._config), *arguments],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._daemons.append((program, process))

    def _await_gateway(self):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.check()
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError("radosgw does not answer\n" + self._last_words("radosgw"))
            time.sleep(0.05)

    def check(self):
        for program, process in self._daemons:
            if process.poll() is not None:
                raise RuntimeError(f"{program} ended with {process.returncode}\n"
                                   f"{self._last_words(program)}")

    def _last_words(self, program):
        words = ""
        for path in [self.folder / f"{program}.out", *sorted(self.folder.glob("*.log"))]:
            lines = path.read_text(errors="replace").splitlines()[-20:] if path.exists() else []
            words += "".join(f"{path.name}: {line}\n" for line in lines)
        return words

    def kill(self):
        for _, process in self._daemons:
            process.kill()
        for _, process in self._daemons:
            process.wait()


def main():
    def leave(*_):
        raise SystemExit(0)

    def leave_with_input():
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    endings = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in endings:
        signal.signal(number, leave)
    threading.Thread(target=leave_with_input, daemon=True).start()
    cluster = Cluster(pathlib.Path(sys.argv[1]))
    try:
        cluster.start(*sys.argv[2:])
        print(cluster.url, flush=True)
        while True:
            # Returns when a daemon has ended; a signal raises.
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            cluster.check()
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"radosgw.py: {error}") from error
    finally:
        for number in endings:
            signal.signal(number, signal.SIG_IGN)
        cluster.kill()
        shutil.rmtree(cluster.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
