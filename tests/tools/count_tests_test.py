#!/usr/bin/env python3
"""tools/count_tests never counts a failure as nothing, whatever shape the failure has.

Usage: count_tests_test.py COUNT_TESTS
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PASSED_XML = '<testsuites><testsuite><testcase name="A" classname="S" status="run" result="completed"/>'
SKIPPED = '<testcase name="B" classname="S" status="run" result="skipped"><skipped/></testcase>'
FAILED = '<testcase name="C" classname="S" status="run"><failure message="no"/></testcase>'
END_XML = "</testsuite></testsuites>"


class CountTestsTest(unittest.TestCase):
    tool = ""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.events = []

    def add_target(self, label, status, *shards):
        """A test target; `shards` are contents of test.xml. Status None: it did not build."""
        self.events.append({"id": {"targetConfigured": {"label": label}},
                            "configured": {"testSize": "SMALL"}})
        for shard, xml in enumerate(shards, 1):
            path = os.path.join(self.folder.name, f"{len(self.events)}.xml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(xml)
            self.events.append({
                "id": {"testResult": {"label": label, "run": 1, "shard": shard, "attempt": 1}},
                "testResult": {"testActionOutput": [{"name": "test.xml",
                                                     "uri": "file://" + path}]}})
        if status is not None:
            self.events.append({"id": {"testSummary": {"label": label}},
                                "testSummary": {"overallStatus": status}})

    def end(self, exit_code):
        self.events.append({"id": {"buildFinished": {}},
                            "finished": {"exitCode": {"name": exit_code}}})

    def expect(self, closing_line, exit_code, last_words="", said=()):
        path = os.path.join(self.folder.name, "events.json")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in self.events)
            file.write(last_words)
        done = subprocess.run([self.tool, path], capture_output=True, text=True, check=False,
                              timeout=60)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.splitlines()[-1], closing_line, done.stdout)
        self.assertEqual(done.returncode, exit_code)
        for line in said:
            self.assertIn(line, done.stdout.splitlines())

    def test_cases_are_summed_over_targets_and_shards(self):
        self.add_target("//t:a", "PASSED", PASSED_XML + SKIPPED + END_XML, PASSED_XML + END_XML)
        self.add_target("//t:b", "PASSED", PASSED_XML + END_XML)
        self.end("SUCCESS")
        self.expect("3 passed, 0 failed, 1 skipped", 0)

    def test_failed_case(self):
        self.add_target("//t:a", "FAILED", PASSED_XML + FAILED + END_XML)
        self.end("TESTS_FAILED")
        self.expect("1 passed, 1 failed", 1)

    def test_failed_target_without_failed_case(self):  # a leak found at exit, say
        self.add_target("//t:a", "FAILED", PASSED_XML + END_XML)
        self.end("TESTS_FAILED")
        self.expect("1 passed, 1 failed", 1)

    def test_target_that_timed_out_while_writing(self):
        self.add_target("//t:a", "TIMEOUT", PASSED_XML)
        self.end("TESTS_FAILED")
        self.expect("0 passed, 1 failed", 1)

    def test_target_that_did_not_build(self):
        self.add_target("//t:a", "PASSED", PASSED_XML + END_XML)
        self.add_target("//t:b", None)
        self.end("BUILD_FAILURE")
        self.expect("1 passed, 1 failed", 1)

    def test_library_that_did_not_build(self):
        self.add_target("//t:a", "PASSED", PASSED_XML + END_XML)
        self.end("BUILD_FAILURE")
        self.expect("1 passed, 1 failed", 1)

    def test_bazel_that_was_killed(self):
        self.add_target("//t:a", "PASSED", PASSED_XML + END_XML)
        self.expect("1 passed, 1 failed", 1, last_words='{"id": {"buildFin')

    def test_run_that_was_cut_off(self):  # says how far it came, and what was left
        self.add_target("//t:a", "PASSED", PASSED_XML + END_XML)
        self.events.append({"id": {"targetCompleted": {"label": "//t:a"}},
                            "completed": {"success": True}})
        self.add_target("//t:b", None)
        self.add_target("//t:c", "NO_STATUS", PASSED_XML + END_XML)
        self.add_target("//t:d", "FAILED", PASSED_XML + FAILED + END_XML)
        self.end("INTERRUPTED")
        self.expect("2 passed, 2 failed", 1, said=[
            "failed: //t:d S.C",
            "failed: cut off: 1 of 4 targets were built, 2 of 4 tests had run; left:", "  //t:b",
            "  //t:c"])

    def test_no_tests(self):
        self.end("SUCCESS")
        self.expect("0 passed, 1 failed", 1)

    def test_no_events(self):
        self.expect("0 passed, 1 failed", 1)


if __name__ == "__main__":
    CountTestsTest.tool = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
