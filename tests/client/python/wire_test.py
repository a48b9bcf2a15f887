#!/usr/bin/env python3
"""What the Python client makes of a server's bytes, whatever they are.

Usage: wire_test
"""

import random
import struct
import sys
import unittest

sys.path[:0] = ["client/python"]

from objmapper import wire

METADATA = (b"\x01\0\x08" + (77).to_bytes(8, "big") + b"\x02\0\x08"
            + (88).to_bytes(8, "big") + b"\x03\0\x04etag" +
            b"\x04\0\x0atext/plain" + b"\x05\0\x01\x03" + b"\x06\0\x04\0\0\0\x09" + b"\x7e\0\x02??"
            +
            b"\x10\0\x10" + (5).to_bytes(8, "big") + (6).to_bytes(8, "big") + b"\x11\0\x03abc" +
            b"\x12\0\x04\0\0\1\0" + b"\xff\0\x03why")
RESPONSE = struct.pack(">BIBQH", 2, 123456, 9, 1 << 40, len(METADATA)) + METADATA
ENTRIES = b"\0\1a" + bytes(16) + b"\0\2bc" + (7).to_bytes(8, "big") + (8).to_bytes(8, "big")


class WireTest(unittest.TestCase):
    # Every field of an answer is found, and a type that is not known is skipped.
    def test_response(self):
        answer, consumed = wire.parse_response(RESPONSE + b"body")
        self.assertEqual(consumed, len(RESPONSE))
        self.assertEqual((answer.id, answer.status, answer.content_length), (123456, 9, 1 << 40))
        self.assertEqual(answer.metadata, wire.Metadata(77, 88, "etag", "text/plain", 3, 9, (5, 6),
                                                        b"abc", 256, "why"))

    # STALE is there or is not; it has no value.
    def test_stale(self):
        def metadata(fields):
            return wire.parse_response(struct.pack(">BIBQH", 2, 1, 0, 0, len(fields)) +
                                       fields)[0].metadata
        self.assertFalse(metadata(b"").stale)
        self.assertTrue(metadata(b"\x08\0\0").stale)
        self.assertRaises(wire.Malformed, metadata, b"\x08\0\1x")

    # A part of an answer is never taken for a whole one.
    def test_every_part(self):
        for length in range(len(RESPONSE)):
            self.assertIsNone(wire.parse_response(RESPONSE[:length]))

    # A list that is cut anywhere but between two entries is refused.
    def test_entries(self):
        self.assertEqual(wire.parse_entries(ENTRIES), [(b"a", 0, 0), (b"bc", 7, 8)])
        whole = [0, 19, len(ENTRIES)]
        for length in range(len(ENTRIES) + 1):
            if length in whole:
                self.assertEqual(len(wire.parse_entries(ENTRIES[:length])), whole.index(length))
            else:
                self.assertRaises(wire.Malformed, wire.parse_entries, ENTRIES[:length])

    # Whatever bytes come, there is an answer, no answer yet, or Malformed; nothing else.
    def test_damage(self):
        chance = random.Random(1)
        outcomes = set()
        for _ in range(20000):
            damaged = bytearray(chance.choice((RESPONSE, ENTRIES)))
            for _ in range(chance.randrange(1, 5)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            for parse in (wire.parse_response, wire.parse_v1_error, wire.parse_entries):
                try:
                    outcomes.add(parse(damaged) is None)
                except wire.Malformed:
                    outcomes.add("malformed")
        self.assertEqual(outcomes, {True, False, "malformed"})

    # A URI goes out as the bytes it came in as, whether they are text or not.
    def test_uris(self):
        chance = random.Random(2)
        for _ in range(1000):
            raw = bytes(chance.randrange(1, 256) for _ in range(chance.randrange(1, 20)))
            self.assertEqual(wire.uri_bytes(wire.uri_text(raw)), raw)
            self.assertNotRegex(wire.what(wire.COPY, raw), "[\0-\x1f\x7f]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
