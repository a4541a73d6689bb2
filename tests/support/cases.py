"""Runs unittest cases and tells of each in GoogleTest's words, which tools/count_tests.py counts."""
import sys
import time
import unittest

NOT_RUN = 77  # exit status of a test that this machine cannot run: SKIP_RETURN_CODE in tests/CMakeLists.txt


class InGoogleTestsWords(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        print(f"[ RUN      ] {self.name(test)}", flush=True)

    @staticmethod
    def name(test):
        return ".".join(test.id().split(".")[-2:])

    def end(self, word, test):
        print(f"[{word}] {self.name(test)} ({(time.monotonic() - self.begin) * 1000:.0f} ms)", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.end("       OK ", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(self.failures[-1][1])
        self.end("  FAILED  ", test)

    def addError(self, test, err):
        super().addError(test, err)
        print(self.errors[-1][1])
        self.end("  FAILED  ", test)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or [""], sys.modules["__main__"]) \
        if len(sys.argv) > 1 else unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = suite.run(InGoogleTestsWords())
    return 0 if result.testsRun and result.wasSuccessful() else 1


def not_run(reason):
    print(f"not run: {reason}")
    sys.exit(NOT_RUN)
