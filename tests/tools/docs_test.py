#!/usr/bin/env python3
"""The documents tell the truth: the code they show stands in files that the tests compile, and their links lead somewhere."""
import pathlib
import re
import unittest

HOUSE = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md")])


class Documents(unittest.TestCase):
    def test_code_from_a_file_is_that_of_the_file(self):
        shown = 0
        for document in DOCUMENTS:
            for path, code in re.findall(r"<!-- from (\S+) -->\n```cpp\n(.*?)\n```", document.read_text(), re.S):
                text = (HOUSE / path).read_text()
                self.assertIn(code, text, f"{document.name} shows what {path} does not hold")
                shown += 1
        self.assertGreater(shown, 10)

    def test_links_lead_to_files(self):
        for document in DOCUMENTS:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
                if "://" not in link:
                    self.assertTrue((document.parent / link).exists(), f"{document.name}: {link}")


if __name__ == "__main__":
    unittest.main()
