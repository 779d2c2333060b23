# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads Varlink interface descriptions, and holds values against their types."""

import re

TOKEN = re.compile(r"\s+|#[^\n]*|->|\[\]|\[string\]|[\w.-]+|[():,?]")


class Interface:
    """name; types, errors: name -> fields; methods: name -> (fields in, fields out). Fields: name -> type.

    A type is a string for what has a name, ("?", type), ("[]", type), ("[string]", type), or a dictionary of fields.
    """

    def __init__(self, text):
        self.types, self.methods, self.errors = {}, {}, {}
        self.tokens = []
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise ValueError(f"not a token: {text[at:at + 20]!r}")
            at = match.end()
            if not match.group().isspace() and not match.group().startswith("#"):
                self.tokens.append(match.group())
        self._expect("interface")
        self.name = self._next()
        while self.tokens:
            kind, name = self._next(), self._next()
            if kind == "type":
                self.types[name] = self._fields()
            elif kind == "error":
                self.errors[name] = self._fields()
            elif kind == "method":
                given = self._fields()
                self._expect("->")
                self.methods[name] = (given, self._fields())
            else:
                raise ValueError(f"unexpected {kind}")

    def _next(self):
        return self.tokens.pop(0)

    def _expect(self, token):
        if (got := self._next()) != token:
            raise ValueError(f"{token} expected, not {got}")

    def _fields(self):
        fields = {}
        self._expect("(")
        while self.tokens[0] != ")":
            name = self._next()
            self._expect(":")
            fields[name] = self._type()
            if self.tokens[0] == ",":
                self._next()
        self._next()
        return fields

    def _type(self):
        if self.tokens[0] in ("?", "[]", "[string]"):
            return self._next(), self._type()
        if self.tokens[0] == "(":
            return self._fields()
        return self._next()

    def check(self, kind, value, where=""):
        """Raises AssertionError if a value is not of a type: wrong type, missing or unknown fields."""
        if isinstance(kind, dict):
            assert isinstance(value, dict), f"{where}: {value!r} is no object"
            for name in value:
                assert name in kind, f"{where}.{name}: unknown field"
            for name, member in kind.items():
                optional = member[0] == "?"
                assert name in value or optional, f"{where}.{name}: missing"
                self.check(member, value.get(name), f"{where}.{name}")
        elif isinstance(kind, tuple):
            if kind[0] == "?":
                if value is not None:
                    self.check(kind[1], value, where)
            elif kind[0] == "[]":
                assert isinstance(value, list), f"{where}: {value!r} is no array"
                for n, member in enumerate(value):
                    self.check(kind[1], member, f"{where}[{n}]")
            else:
                assert isinstance(value, dict), f"{where}: {value!r} is no dictionary"
                for name, member in value.items():
                    self.check(kind[1], member, f"{where}[{name}]")
        elif kind in self.types:
            self.check(self.types[kind], value, where)
        else:
            wanted = {"int": int, "string": str, "bool": bool, "float": (int, float), "object": dict}[kind]
            assert isinstance(value, wanted) and not (kind == "int" and isinstance(value, bool)), \
                f"{where}: {value!r} is no {kind}"
