#!/usr/bin/env python3
"""What the build finds out by itself: the commit of the sources, and a C++ compiler that nvcc takes."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_in(self, *words, **env):
        return subprocess.run(list(map(str, words)), cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, **env})


class Version(InAFolder):
    def commit(self, source):
        done = self.run_in("cmake", f"-DSOURCE={source}", f"-DFROM={ROOT}/src/app/version.cpp.in", f"-DTO={self.folder}/version.cpp",
                           "-DLACT_VERSION=0.1", "-DLACT_BUILT_WITH=GNU 12.2.0 (Release), no MPI", "-P", ROOT / "cmake/commit.cmake")
        self.assertEqual(done.returncode, 0, done.stdout)
        text = (self.folder / "version.cpp").read_text()
        self.assertIn("built with GNU 12.2.0 (Release), no MPI", text)
        return re.search(r"lact 0\.1, commit (\S+?)\\n", text)[1]

    def git(self, *words):
        done = self.run_in("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def test_the_commit_of_the_sources(self):
        self.git("init", "-q", "house")
        house = self.folder / "house"
        (house / "a").write_text("1")
        self.assertEqual(self.commit(house), "unknown")  # nothing is committed yet
        self.git("-C", house, "add", "a")
        self.git("-C", house, "commit", "-qm", "a")
        whole = self.git("-C", house, "rev-parse", "HEAD")
        self.assertEqual(self.commit(house), whole[:12])
        before = (self.folder / "version.cpp").stat().st_mtime_ns
        (house / "not known to git").write_text("1")
        self.assertEqual(self.commit(house), whole[:12])
        self.assertEqual((self.folder / "version.cpp").stat().st_mtime_ns, before)  # so nothing is compiled again
        (house / "a").write_text("2")
        self.assertEqual(self.commit(house), whole[:12] + "-dirty")
        (house / "inside").mkdir()  # unpacked into somebody else's repository
        self.assertEqual(self.commit(house / "inside"), "unknown")

    def test_sources_outside_git(self):
        (self.folder / "unpacked").mkdir()
        self.assertEqual(self.commit(self.folder / "unpacked"), "unknown")

    def test_the_program_says_it(self):
        done = self.run_in(os.environ["LACT_BINARY"], "--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Alact [0-9.]+, commit ([0-9a-f]{12}(-dirty)?|unknown)\n"
                                      r"built with \w+ [0-9.]+ \(\w+\), (no MPI|[A-Z].*), HDF5 [0-9.-]+, oneDNN [0-9.]+, .*CUDA.*\n\Z")


class HostCompiler(InAFolder):
    """nvcc is a script that takes some compilers."""

    def configured(self, takes, installed, **given):
        binaries = self.folder / "bin"
        (self.folder / "include/crt").mkdir(parents=True)
        (self.folder / "include/crt/host_config.h").write_text("#if __GNUC__ > 13\n#error -- unsupported GNU version!\n")
        binaries.mkdir()
        nvcc = binaries / "nvcc"
        nvcc.write_text("#!/bin/sh\ncase \"$1 $2\" in -ccbin*/" + takes + ") exit 0;; esac\n"
                        "echo 'host_config.h:143:2: error: #error -- unsupported GNU version! gcc versions later than 13 are not supported!' >&2\nexit 2\n")
        for path in (nvcc, *(binaries / name for name in installed)):
            if path != nvcc:
                path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        (self.folder / "try.cmake").write_text(f"set(CMAKE_BINARY_DIR {self.folder})\nset(CUDAToolkit_INCLUDE_DIRS {self.folder}/include)\n"
                                               f"set(CMAKE_CXX_COMPILER {binaries}/c++)\ninclude({ROOT}/cmake/cuda_compiler.cmake)\n"
                                               f"lact_find_host_compiler({nvcc} 12.4)\nmessage(\"chosen: ${{CMAKE_CUDA_HOST_COMPILER}}\")\n")
        cmake = subprocess.run(["which", "cmake"], capture_output=True, text=True).stdout.strip()
        done = self.run_in(cmake, *(f"-D{k}={v}" for k, v in given.items()), "-P", "try.cmake", PATH=f"{binaries}:/nowhere", CUDAHOSTCXX="")
        return done.returncode, " ".join(done.stdout.split())

    def test_one_that_nvcc_takes_is_found_and_named(self):
        status, said = self.configured("g++-12", ["c++", "g++-11", "g++-12", "g++-13"])
        self.assertEqual(status, 0, said)
        self.assertIn("nvcc 12.4 does not take this system's C++ compiler (error: #error -- unsupported GNU version!", said)
        self.assertTrue(said.endswith(f"chosen: {self.folder}/bin/g++-12"), said)

    def test_the_one_that_is_wanted_is_named_where_none_is_there(self):
        status, said = self.configured("g++-13", ["c++"])
        self.assertNotEqual(status, 0)
        self.assertIn("install g++-13, the newest that it takes, and add -DCMAKE_CUDA_HOST_COMPILER=g++-13", said)

    def test_one_that_was_asked_for_is_not_replaced(self):
        status, said = self.configured("g++-13", ["c++", "g++-13", "g++-14"], CMAKE_CUDA_HOST_COMPILER="/bin/g++-14")
        self.assertNotEqual(status, 0)
        self.assertIn("nvcc 12.4 does not take /bin/g++-14", said)

    def test_one_that_nvcc_takes_is_left_alone(self):
        self.assertEqual(self.configured("g++-13", [], CMAKE_CUDA_HOST_COMPILER="/bin/g++-13"), (0, "chosen: /bin/g++-13"))


if __name__ == "__main__":
    unittest.main()
