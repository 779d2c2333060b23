#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schema and the parser agree on every policy of golden/policy, and the parser's messages are the golden ones.

usage: test-schema.py POLICY-CHECK SOURCE-ROOT [--update]    (--update writes the golden messages anew)

A bad policy that only the parser can refuse is named in PARSER_ONLY with what a schema cannot say; where random documents may
hit the same rule, with what its messages look like. A name like x.1.json, x.2.json
is one policy of several files, given in this order.
"""

import copy
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

CHECK, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
UPDATE = "--update" in sys.argv
SEED = int(os.environ.get("SEED", "1"))
GOLDEN = ROOT / "tests/unit/golden/policy"
SCHEMA = ROOT / "policy/policy.schema.json"
MANUAL = ROOT / "man/vfctl-policy.5"

class Rule:
    """What only the parser can refuse: why, and what its messages look like; `beyond` says of what they quote that it is so."""

    def __init__(self, why, pattern=None, beyond=lambda *quoted: True):
        self.why, self.pattern, self.beyond = why, pattern and re.compile(pattern), beyond

    def excuses(self, message):
        m = self.pattern and self.pattern.search(message)
        return bool(m and self.beyond(*m.groups()))


def ten_years_are_over(number, unit):
    return int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] > 3650 * 86400


def is_no_size(number, unit):
    return int(number) << 10 * (" kmgtp".index(unit.lower()) if unit else 0) >= 2 ** 63


NO_POOL = r'there is no pool ".*"; expected the name of a pool of this policy'
PARSER_ONLY = {
    "bytes": Rule("lengths in bytes"),
    "defaults-pool": Rule("references", NO_POOL),
    "duplicate-key": Rule("a member that is there twice"),
    "macs-prefix": Rule("numbers in strings", r"found the string .* which has bits set behind its prefix"),
    "max-lease-overflow": Rule("numbers in strings", r'found the string "(\d+)([smhd])"; expected a time', ten_years_are_over),
    "memlock-overflow": Rule("numbers in strings", r'found the string "0*(\d+)([kKmMgGtTpP]?)i?B?"; expected a size', is_no_size),
    "kept-data": Rule("who else has the pool", r"found a second tenant beside .* in a pool that never erases data"),
    "merge-broken": Rule("several files"),
    "merge-defaults": Rule("several files"),
    "merge-faults": Rule("several files"),
    "merge-macs": Rule("several files, and several places", r"\S+ overlaps \S+ of tenant .*; expected each address in one place"),
    "merge-pool": Rule("several files"),
    "merge-tenant": Rule("several files"),
    "merge-two-pools": Rule("several files, and several places", r"the pools .* both name the function of .*; expected it in one pool"),
    "merge-unknown-pool": Rule("several files", NO_POOL),
    "network-keys": Rule("what the pool is that a grant names", r"expected it for VFs of network functions only"),
    "no-quota": Rule("what is inherited", r'"quota" is missing'),
    "rates-crossed": Rule("one number compared with another", r'expected at (?:most "max|least "min)_tx_mbps"'),
    "unknown-pool": Rule("references", NO_POOL),
    "vlan-alone": Rule("what is inherited", r'without VLANs; expected "vlans" beside it'),
    "vlans-twice": Rule("numbers in strings", r'but VLAN \d+ is in the list already|found the string "(\d+)-(\d+)"; expected a VLAN id',
                        lambda first, last: first is None or int(first) > int(last)),
    "whole-reals": Rule("1.0 is an integer to JSON Schema"),
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
        cls.objects = {"file": schema} | {name: d for name, d in schema["$defs"].items() if d.get("type") == "object"}

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
                self.assertEqual(valid, name in PARSER_ONLY, name in PARSER_ONLY and PARSER_ONLY[name].why)

    def test_every_error_is_one_of_the_schema_too(self):
        """Each member of a list in mutations.json makes a good policy bad, for the schema and for the parser alike."""
        cases = [(case["path"], value, good) for case in mutations() for good in (True, False)
                 for value in case["good" if good else "bad"]]
        documents = []
        for path, value, _ in cases:
            documents.append(load(ROOT / "policy/example.json"))
            put(documents[-1], path, value)
        for (path, value, good), document, errors in zip(cases, documents, parse_each(documents)):
            with self.subTest(path=path, value=value):
                self.assertEqual(self.validator.is_valid(document), good, "schema")
                self.assertEqual(not errors, good, "parser")
        self.assertGreater(len(cases), 600)

    def test_every_key_is_tried(self):
        """mutations.json has good and bad values for each key of each object."""
        tried = {True: set(), False: set()}
        for case in mutations():
            for good in (True, False):
                if case["good" if good else "bad"]:
                    tried[good] |= {(owner, case["path"][-1]) for owner in self.owners(case["path"])}
        keys = {(name, key) for name, d in self.objects.items() for key in d["properties"]}
        self.assertGreater(len(keys), 60)
        for good in (True, False):
            self.assertEqual(keys - tried[good], set(), "good" if good else "bad")

    def test_random_documents(self):
        """Good policies with a few things changed at random: the schema and the parser agree, but for the rules of PARSER_ONLY."""
        chance = random.Random(SEED)
        print(f"SEED={SEED}", file=sys.stderr)
        values = {}  # by key: good ones, bad ones
        for case in mutations():
            good, bad = values.setdefault(case["path"][-1], ([], []))
            good += case["good"]
            bad += case["bad"]
        texts = [json.dumps(load(f)) for group in policies("good").values() if len(group) == 1 for f in group]
        texts.append((ROOT / "policy/example.json").read_text(encoding="utf-8"))
        objects = [list(d["properties"]) for d in self.objects.values()]
        documents = []
        for _ in range(DOCUMENTS):
            documents.append(json.loads(chance.choice(texts)))
            for _ in range(chance.randint(1, 3)):
                mutate(chance, documents[-1], values, objects)
        seen = {True: 0, False: 0, "excused": 0}
        for document, errors in zip(documents, parse_each(documents)):
            valid = self.validator.is_valid(document)
            excused = valid and errors and all(any(r.excuses(e) for r in PARSER_ONLY.values()) for e in errors)
            seen["excused" if excused else valid] += 1
            if valid == bool(errors) and not excused:
                self.fail(f"the schema says {'good' if valid else 'bad'}, the parser {errors}:\n{json.dumps(document, indent=2)}")
        self.assertGreater(min(seen[True], seen[False]), DOCUMENTS // 5, seen)
        self.assertGreater(seen["excused"], 20)

    def owners(self, path):
        """Names of the objects that a path's last member is a member of."""
        nodes = [self.objects["file"]]
        for key in path[:-1]:
            nodes = [m for n in nodes for m in self.members(n, key)]
        return {name for n in nodes for d in self.choices(n) for name, o in self.objects.items() if o is d}

    def choices(self, node):
        """A definition, or each of those that it may be."""
        while "$ref" in node:
            node = self.objects["file"]["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return [d for n in node["oneOf"] for d in self.choices(n)] if "oneOf" in node else [node]

    def members(self, node, key):
        for d in self.choices(node):
            if isinstance(key, int):
                yield from [d["items"]] if "items" in d else []
            elif key in d.get("properties", {}):
                yield d["properties"][key]
            elif isinstance(d.get("additionalProperties"), dict):
                yield d["additionalProperties"]


DOCUMENTS = 3000
JUNK = [None, True, False, 0, 1, -1, 2, 7, 4095, 65536, 2 ** 32, 2 ** 63, 1.5, "", "x", "1", "max", "net", "a b", [], {}, [1], {"x": 1}]


def mutations():
    return load(GOLDEN / "mutations.json")


def put(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    document[last] = value


def places_in(value):
    """(container, key) of all that is in a document."""
    for key, v in (value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        yield value, key
        yield from places_in(v)


def tweaked(chance, v):
    """Almost the same."""
    if isinstance(v, bool) or not isinstance(v, (int, str, list)):
        return chance.choice(JUNK)
    if isinstance(v, int):
        return v + chance.choice((-1, 1))
    if isinstance(v, list):
        return v + [copy.deepcopy(chance.choice(v))] if v else [chance.choice(JUNK)]
    at = chance.randint(0, len(v))
    return v[:at] + chance.choice(("", chance.choice(" 0aZ:-/%.*~"))) + v[at + chance.randint(0, 1):]


def value_for(chance, key, values):
    good, bad = values.get(key, ([], JUNK))
    return copy.deepcopy(chance.choice(good if good and chance.random() < 0.8 else bad))


def key_for(chance, container, values, objects):
    """One that an object with these keys could have; or any."""
    fit = [keys for keys in objects if set(container) <= set(keys)]
    return chance.choice(chance.choice(fit) if fit and chance.random() < 0.9 else list(values))


def mutate(chance, document, values, objects):
    places = list(places_in(document)) + [({"": document}, "")]
    container, key = chance.choice(places)
    what = chance.randrange(12)
    if what == 0:
        del container[key]
    elif what == 1:
        container[key] = copy.deepcopy(chance.choice(JUNK))
    elif what < 4:
        container[key] = tweaked(chance, container[key])
    elif what == 4:  # something from elsewhere
        other, k = chance.choice(places)
        container[key] = copy.deepcopy(other[k])
    elif what < 9 and isinstance(container[key], dict):
        name = key_for(chance, container[key], values, objects)
        container[key][name] = value_for(chance, name, values)
    else:
        container[key] = value_for(chance, key, values)


def parse_each(documents):
    """What the parser says of each document alone: a list of errors."""
    r = subprocess.run([CHECK, "--each"], input="".join(json.dumps(d) + "\n" for d in documents), stdout=subprocess.PIPE, check=True,
                       text=True)
    errors = [[]]
    for line in r.stdout.splitlines():
        if line == "end":
            errors.append([])
        else:
            errors[-1].append(line)
    return errors[:-1]


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
                if name in PARSER_ONLY and PARSER_ONLY[name].pattern:
                    self.assertTrue(all(map(PARSER_ONLY[name].excuses, r.stdout.splitlines())), PARSER_ONLY[name].pattern)

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
