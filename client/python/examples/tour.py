#!/usr/bin/env python3
"""Once through what the Python client does: reads, maps, stores, lists and deletes objects below
"tour/".

    tour.py unix:/run/objmapper.sock          # of a server that runs with --writable
"""

import sys
import time

import objmapper


def read(client: objmapper.Client) -> None:
    # An open file: the object itself, at the same cost whatever its size. Unix sockets only.
    with client.open("tour/text") as file:
        print("first line:", file.readline())

    # Its pages, shared with every process that maps it: for numpy.frombuffer(), memoryview(), ...
    with client.mmap("tour/data") as mapping:
        print("mapped:", len(mapping), "bytes, the last one", mapping[-1])

    # A view of it, such as numpy.frombuffer(mapping), keeps the mapping for as long as it lives.
    with client.mmap("tour/data") as mapping:
        view = memoryview(mapping)
    print("still there:", view[-1])

    # Copies of its bytes, or of some of them; over TCP, too.
    print("copied:", client.get("tour/text"))
    print("a part:", client.get("tour/data", offset=1000, length=4))
    buffer = bytearray(1_000_000)
    print("into a buffer:", client.get_into("tour/data", buffer))


def read_many(client: objmapper.Client) -> None:
    # Asked for before the answers come, several at a time. An error is its own item's.
    for item in client.get_many(["tour/text", "tour/none", "tour/data"]):
        if isinstance(item.error, objmapper.NotFound):
            print("not there:", item.uri)
        else:
            print(item.uri, len(item.value))

    # Each is closed before the next one is taken, so RLIMIT_NOFILE is never near. The list first:
    # while a batch runs the client is the batch's alone.
    uris = [entry.uri for entry in client.list("tour/")]
    for opened in client.get_fds(uris):
        with opened.value as file:
            print(opened.uri, file.size, file.pread(4))


def store(client: objmapper.Client) -> None:
    info = client.put("tour/text", b"one line\nand another\n")
    print("stored:", info.size, "bytes")
    # A sealed memfd: what a server with a memory tier keeps as it is. ttl: gone after an hour.
    client.put_memory("tour/data", bytes(range(256)) * 1000, ttl=3600)
    # A file of this process, copied by the server, by reflink where it can.
    with open(__file__, "rb") as file:
        client.put_fd("tour/source", file)


def ask_again(client: objmapper.Client, uri: str) -> bytes:
    # A server at a limit of its own says when to come back. Nothing has happened, so anything may
    # be asked again.
    for _ in range(5):
        try:
            return client.get(uri)
        except objmapper.Unavailable as error:
            time.sleep(error.retry_after or 0.1)
    return client.get(uri)


def main() -> None:
    with objmapper.connect(sys.argv[1]) as client:
        store(client)
        read(client)
        read_many(client)
        print("again:", len(ask_again(client, "tour/text")))
        for entry in list(client.list("tour/")):
            print("deleting:", entry.uri, entry.size)
            client.delete(entry.uri)


if __name__ == "__main__":
    main()
