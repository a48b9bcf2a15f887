#!/usr/bin/env python3
"""Feeds training samples from objmapper to worker processes, as PyTorch's DataLoader does: with it
where it is installed, else with multiprocessing alone.

    data_loader.py unix:/run/objmapper.sock samples/ --workers=4

Each worker maps the objects of its batches over a connection of its own: the pages are the page
cache's, so that all workers together hold one copy of the data set in memory, and none is sent
through a socket.
"""

import argparse
import multiprocessing
import os
import zlib
from typing import Iterable, Iterator, List, Sequence, Tuple

import objmapper

Sample = Tuple[str, int, int]  # URI, bytes, checksum: what this example makes of an object


class MappedDataset:
    """A map-style dataset (torch.utils.data.Dataset's protocol): one sample for each URI."""

    def __init__(self, url: str, uris: Sequence[str]) -> None:
        self.uris = uris
        # Workers that fork inherit this client, and those that are spawned get a copy
        # (__setstate__). Either way the first call in a worker makes a connection of its own.
        self._url = url
        self._client = objmapper.connect(url)

    def __len__(self) -> int:
        return len(self.uris)

    def __getitem__(self, index: int) -> Sample:
        uri = self.uris[index]
        with self._client.mmap(uri) as mapping:
            # Here a real dataset decodes: torch.frombuffer(mapping, ...), numpy.frombuffer(mapping,
            # ...).
            return uri, len(mapping), zlib.crc32(mapping)

    def __getstate__(self) -> Tuple[str, Sequence[str]]:
        return self._url, self.uris

    def __setstate__(self, state: Tuple[str, Sequence[str]]) -> None:
        self._url, self.uris = state
        self._client = objmapper.connect(self._url)


_worker_dataset: MappedDataset  # of a worker process


def _begin_worker(dataset: MappedDataset) -> None:
    global _worker_dataset
    _worker_dataset = dataset


def _load_batch(indices: Sequence[int]) -> Tuple[int, List[Sample]]:
    return os.getpid(), [_worker_dataset[i] for i in indices]


def _identity(batch: List[Sample]) -> Tuple[int, List[Sample]]:
    return os.getpid(), batch


def load(dataset: MappedDataset, batch_size: int, workers: int,
         start: str = "fork") -> Iterator[Tuple[int, List[Sample]]]:
    """Batches in order, each with the process that loaded it. start: how workers begin: "fork" or
    "spawn".
    """
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        batches: Iterable[Sequence[int]] = [range(first, min(first + batch_size, len(dataset)))
                                            for first in range(0, len(dataset), batch_size)]
        context = multiprocessing.get_context(start)
        with context.Pool(workers, _begin_worker, (dataset,)) as pool:
            yield from pool.imap(_load_batch, batches)
    else:
        yield from DataLoader(dataset, batch_size=batch_size, num_workers=workers,
                              collate_fn=_identity,
                              multiprocessing_context=start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the server: unix:/path; mappings need a Unix socket")
    parser.add_argument("prefix", help="the data set: all objects whose URIs begin so")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--start", choices=("fork", "spawn"), default="fork")
    parser.add_argument("--uris",
                        help="a file of URIs, one a line, in place of asking the server for them")
    options = parser.parse_args()
    if options.uris:
        with open(options.uris, encoding="utf-8") as file:
            uris = [line.rstrip("\n") for line in file]
    else:
        with objmapper.connect(options.url) as client:
            uris = [entry.uri for entry in client.list(options.prefix)]
    for process, batch in load(MappedDataset(options.url, uris), options.batch_size,
                               options.workers, options.start):
        for uri, size, checksum in batch:
            print(f"{process} {uri} {size} {checksum:08x}")


if __name__ == "__main__":
    main()
