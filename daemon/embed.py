#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a text file as a C string: embed.py INPUT OUTPUT NAME"""
import json
import sys

text = open(sys.argv[1], encoding="utf-8").read()
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write(f"extern const char {sys.argv[3]}[];\nconst char {sys.argv[3]}[] =\n")
    for line in text.splitlines(keepends=True):
        out.write("        " + json.dumps(line, ensure_ascii=True) + "\n")
    out.write("        ;\n")
