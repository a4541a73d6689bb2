#!/usr/bin/env python3
"""Prints src/data/text/tokenizers/normal_form_table.cpp: what Unicode says of letters that are made of others.

usage: tools/make_normal_forms.py

example: tools/make_normal_forms.py >src/data/text/tokenizers/normal_form_table.cpp

The file here was made with Python 3.11, whose table is that of Unicode 14.
"""
import sys
import unicodedata

WIDTH = 110


def lines(words):
    line = ""
    for word in words:
        if len(line) + len(word) > WIDTH:
            yield line
            line = ""
        line += word
    yield line


def main():
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        return
    made, classes = [], []
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        parts = unicodedata.decomposition(letter)
        if parts and not parts.startswith("<"):
            composes = unicodedata.normalize("NFC", letter) == letter  # otherwise it is only ever taken apart
            made.append(f"{code:X}{'=' if composes else '<'}{'+'.join(f'{int(p, 16):X}' for p in parts.split())} ")
        if kind := unicodedata.combining(letter):
            if classes and classes[-1][1] == code and classes[-1][2] == kind:
                classes[-1][1] = code + 1
            else:
                classes.append([code, code + 1, kind])
    print(f'''// Made by tools/make_normal_forms.py from the tables of Unicode {unicodedata.unidata_version}.
#include "data/text/tokenizers/normal_form.hpp"

namespace lact {{
''')
    for name, words in (("letters_made_of_others", made), ("combining_classes", [f"{b:X}-{e:X}:{k:X} " for b, e, k in classes])):
        print(f"const char* const {name} =")
        print("\n".join(f'    "{line}"' for line in lines(words)) + ";\n")
    print("}  // namespace lact")


main()
