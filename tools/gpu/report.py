"""Rows of a report, on disk as soon as they are measured."""
import dataclasses
import os
import time
from typing import Callable

from gpu.machine import Stopped


@dataclasses.dataclass
class Result:
    measured: str
    correct: str = ""  # what was compared and how far apart it was
    ok: bool = True


@dataclasses.dataclass
class Row:
    what: str
    aim: str
    about: float  # seconds that the row takes, starting programs included; it is left out where less is left
    limit: float  # seconds after which it is ended
    measure: Callable[[float], Result]  # of the limit
    paper: str = ""  # what a plan says of the number that is measured


class Report:
    COLUMNS = ("what", "aim", "on paper", "measured", "correct")

    def __init__(self, folder, part):
        folder.mkdir(parents=True, exist_ok=True)
        self.table, self.log = open(folder / f"{part}.md", "w"), open(folder / f"{part}.log", "w")
        self.bad = False
        self.write(self.COLUMNS)
        self.write(["---"] * len(self.COLUMNS))

    def write(self, cells):
        line = "| " + " | ".join(str(c).replace("|", "/").replace("\n", " ") for c in cells) + " |"
        print(line, flush=True)
        self.keep(self.table, line)

    @staticmethod
    def keep(file, text):
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())

    def note(self, title, text):
        """Beside the table: whole answers of programs, for whoever mends what broke."""
        self.keep(self.log, f"--- {title}\n{text.strip()}")

    def add(self, row, result):
        self.bad |= not result.ok
        self.write((row.what, row.aim, row.paper, result.measured, result.correct))

    def run(self, rows, machine):
        """In their order; one that fails does not end the others, and one that would not fit any more is left out."""
        for i, row in enumerate(rows):
            begin = time.monotonic()
            try:
                if machine.left() < row.about:
                    result = Result(f"left out: no time (wants {row.about:.0f} s, {max(machine.left(), 0):.0f} s are left)", ok=False)
                else:
                    result = row.measure(min(row.limit, machine.left()))
            except Stopped:
                self.add(row, Result(f"cut off after {time.monotonic() - begin:.0f} s", ok=False))
                for left in rows[i + 1:]:
                    self.add(left, Result("left out: cut off before", ok=False))
                return
            except Exception as e:  # what a program answers may be anything
                result = Result(f"the report itself failed: {type(e).__name__}: {e}", ok=False)
            self.add(row, result)
