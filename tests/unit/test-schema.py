#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema and the parser agree on every policy of golden/policy, and the parser's messages are the golden ones.

usage: test-schema.py POLICY-CHECK SOURCE-ROOT [--update]    (--update writes the golden messages anew)

A bad policy that only the parser can refuse is named in PARSER_ONLY with what a schema cannot say. A name like x.1.json, x.2.json
is one policy of several files, given in this order.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

CHECK, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
UPDATE = "--update" in sys.argv
GOLDEN = ROOT / "tests/unit/golden/policy"
SCHEMA = ROOT / "policy/policy.schema.json"
MANUAL = ROOT / "man/vfctl-policy.5"

PARSER_ONLY = {
    "bytes": "lengths in bytes",
    "defaults-pool": "references",
    "duplicate-key": "a member that is there twice",
    "macs-prefix": "numbers in strings",
    "max-lease-overflow": "numbers in strings",
    "memlock-overflow": "numbers in strings",
    "kept-data": "who else has the pool",
    "merge-broken": "several files",
    "merge-defaults": "several files",
    "merge-faults": "several files",
    "merge-macs": "several files",
    "merge-pool": "several files",
    "merge-tenant": "several files",
    "merge-two-pools": "several files",
    "merge-unknown-pool": "several files",
    "network-keys": "what the pool is that a grant names",
    "no-quota": "what is inherited",
    "rates-crossed": "one number compared with another",
    "unknown-pool": "references",
    "vlan-alone": "what is inherited",
    "vlans-twice": "numbers in strings",
    "whole-reals": "1.0 is an integer to JSON Schema",
}


def policies(folder):
    """Name to the files of each policy."""
    found = {}
    for path in sorted((GOLDEN / folder).glob("*.json")):
        found.setdefault(re.sub(r"(\.\d+)?\.json$", "", path.name), []).append(path)
    return found


def load(path):
    """The JSON text, or None if it is not even that."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


class KeysTest(unittest.TestCase):
    """Neither the parser nor the schema knows a key that the other does not; none is without an example or a place in the manual."""

    @classmethod
    def setUpClass(cls):
        cls.parser = {o: keys for o, *keys in (line.split() for line in run_check(["--keys"]).stdout.splitlines())}
        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        cls.schema = {"file": schema} | {name: d for name, d in schema["$defs"].items() if d.get("type") == "object"}

    def test_keys_are_those_of_the_schema(self):
        self.assertEqual(set(self.parser), set(self.schema))
        for name, definition in self.schema.items():
            with self.subTest(name):
                self.assertEqual(sorted(self.parser[name]), sorted(definition["properties"]))
                self.assertIs(definition["additionalProperties"], False)

    def test_no_object_hides_in_another(self):
        """Every object with keys of its own is a definition, so that the test above sees it."""

        def visit(value, top):
            if isinstance(value, dict):
                self.assertFalse(not top and "properties" in value and value.get("type") == "object", value)
                for key, v in value.items():
                    visit(v, key == "$defs" or (top and value is self.schema["file"]["$defs"]))
            elif isinstance(value, list):
                for v in value:
                    visit(v, False)

        visit(self.schema["file"], True)

    def test_each_has_an_example(self):
        def keys_in(value):
            if isinstance(value, dict):
                return set(value).union(*map(keys_in, value.values()))
            return set().union(*map(keys_in, value)) if isinstance(value, list) else set()

        wanted = {k for keys in self.parser.values() for k in keys}
        self.assertEqual(wanted - keys_in(load(GOLDEN / "good/all-keys.json")), set())

    def test_each_is_in_the_manual(self):
        text = MANUAL.read_text(encoding="utf-8")
        named = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"^\.It Cm (.*)$", text, re.MULTILINE))))
        self.assertEqual({k for keys in self.parser.values() for k in keys} - named, set())


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import jsonschema

        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        cls.validator = jsonschema.Draft202012Validator(schema)

    def test_good(self):
        files = [f for group in policies("good").values() for f in group]
        self.assertGreater(len(files), 8)
        for path in files + [ROOT / "policy/example.json"]:
            with self.subTest(path.name):
                self.assertEqual([e.message for e in self.validator.iter_errors(load(path))], [])

    def test_bad(self):
        for name, files in policies("bad").items():
            documents = [load(f) for f in files]
            if None in documents and name not in PARSER_ONLY:
                continue  # no JSON: nothing for a schema to judge
            valid = all(d is None or self.validator.is_valid(d) for d in documents)
            with self.subTest(name):
                self.assertEqual(valid, name in PARSER_ONLY, PARSER_ONLY.get(name))

    def test_every_error_is_one_of_the_schema_too(self):
        """Each member of a list in mutations.json makes a good policy bad, for the schema and for the parser alike."""
        count = 0
        for case in json.loads((GOLDEN / "mutations.json").read_text(encoding="utf-8")):
            for good, values in ((True, case["good"]), (False, case["bad"])):
                for value in values:
                    document = json.loads((ROOT / "policy/example.json").read_text(encoding="utf-8"))
                    *parents, last = case["path"]
                    place = document
                    for key in parents:
                        place = place[key]
                    place[last] = value
                    text = json.dumps(document)
                    with self.subTest(path=case["path"], value=value):
                        self.assertEqual(self.validator.is_valid(document), good, "schema")
                        self.assertEqual(parse(text) == 0, good, "parser")
                    count += 1
        self.assertGreater(count, 600)


def parse(text):
    return subprocess.run([CHECK, "/dev/stdin"], input=text.encode(), stdout=subprocess.DEVNULL, check=False).returncode


def run_check(files):
    return subprocess.run([CHECK, *files], stdout=subprocess.PIPE, check=False, text=True, encoding="utf-8",
                          errors="surrogateescape")


class ParserTest(unittest.TestCase):
    maxDiff = None

    def test_good(self):
        for name, files in policies("good").items():
            with self.subTest(name):
                r = run_check(files)
                self.assertEqual((r.returncode, r.stdout), (0, ""))
        r = run_check([ROOT / "policy/example.json"])
        self.assertEqual((r.returncode, r.stdout), (0, ""))

    def test_bad(self):
        bad = policies("bad")
        self.assertGreater(len(bad), 50)
        self.assertLessEqual(set(PARSER_ONLY), set(bad))
        for name, files in bad.items():
            golden = GOLDEN / "bad" / f"{name}.err"
            with self.subTest(name):
                r = run_check(files)
                self.assertEqual(r.returncode, 1)
                if UPDATE:
                    golden.write_text(r.stdout, encoding="utf-8", errors="surrogateescape")
                self.assertEqual(r.stdout, golden.read_text(encoding="utf-8", errors="surrogateescape"))

    def test_no_golden_file_is_left_over(self):
        self.assertEqual({f.stem for f in (GOLDEN / "bad").glob("*.err")}, set(policies("bad")))

    def test_no_source(self):
        r = run_check([])
        self.assertEqual((r.returncode, r.stdout), (1, ":0:0: : found no policy file; expected at least one\n"))


class ManualTest(unittest.TestCase):
    """What the manual shows is what the parser takes and says."""

    def setUp(self):
        text = MANUAL.read_text(encoding="utf-8")
        self.displays = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.DOTALL | re.MULTILINE)
        self.policies = [d for d in self.displays if d.startswith("{\n")]

    def test_first_example_is_the_file(self):
        self.assertEqual(self.policies[0], (ROOT / "policy/example.json").read_text(encoding="utf-8"))

    def test_examples_are_policies(self):
        self.assertEqual(len(self.policies), 4)
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder) / f"{i}.json" for i in range(4)]
            for path, text in zip(files, self.policies):
                path.write_text(text, encoding="utf-8")
            for group in ([files[0]], [files[1]], [files[2]], files[2:]):  # the last one is a file beside the one before
                self.assertEqual(run_check(group).stdout, "")

    def test_message_is_a_real_one(self):
        shown = [" ".join(d.split()) for d in self.displays if d.startswith("policy.json:")]
        golden = (GOLDEN / "bad/unknown-keys.err").read_text(encoding="utf-8").replace("unknown-keys.json:", "policy.json:")
        self.assertEqual(len(shown), 1)
        self.assertIn(shown[0], golden.splitlines())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
