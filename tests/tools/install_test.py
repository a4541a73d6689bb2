#!/usr/bin/env python3
"""What is installed, and what becomes of a system that does not give it: tools/install_deps and tools/test with an apt, a
dpkg and a CMake that are made up; tools/fresh_root with a debootstrap that is."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import cases  # noqa: E402
from support.started import HOUSE  # noqa: E402

# Files of the folder $SYSTEM: `installed`, `half` (could not be configured: makes every later call end with 100, as dpkg
# does), `unknown` to apt, `stubborn` (cannot be configured), `virtual` (only others provide it), `calls`.
HAS = """has() {
  [ -e "$1" ] && while read -r name; do [ "$name" = "$2" ] && return 0; done <"$1"
  return 1
}
cd "$SYSTEM"
"""
APT = f"""#!/bin/sh
{HAS}
echo "$*" >>calls
for word; do
  if [ "$word" = update ]; then exit "${{UPDATE_ENDS:-0}}"; fi
  if has unknown "$word"; then echo "E: Unable to locate package $word" && exit 100; fi
done
shift 6 # the options
for word; do
  if has stubborn "$word"; then echo "$word" >>half; else echo "$word" >>installed; fi
done
[ ! -s half ] || {{ echo "E: Sub-process /usr/bin/dpkg returned an error code (1)" && exit 100; }}
"""
DPKG_QUERY = f"""#!/bin/sh
{HAS}
if has installed "$3"; then printf installed; elif has half "$3"; then printf half-configured; else exit 1; fi
"""
APT_CACHE = f"""#!/bin/sh
{HAS}
echo "$2:"
if has unknown "$2" || has virtual "$2"; then echo "  Candidate: (none)"; else echo "  Candidate: 1.0"; fi
"""
SUDO = '#!/bin/bash\nexec "$@"\n'
REQUIRED = "cmake ninja-build g++ libdnnl-dev libhdf5-dev libfmt-dev".split()
MPI = "libopenmpi-dev openmpi-bin libhdf5-openmpi-dev".split()


class OnASystem(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "system").mkdir()
        self.are("installed")
        self.program("apt-get", APT)
        self.program("dpkg-query", DPKG_QUERY)
        self.program("apt-cache", APT_CACHE)
        self.program("sudo", SUDO)

    def program(self, name, text):
        place = self.folder / "bin" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)

    def are(self, what, *packages):
        (self.folder / "system" / what).write_text("".join(p + "\n" for p in packages))

    def these(self, what):
        path = self.folder / "system" / what
        return path.read_text().splitlines() if path.exists() else []

    def run_it(self, *command, path=None, **environment):
        path = path or f"{self.folder}/bin:{os.environ['PATH']}"
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={"PATH": path, "SYSTEM": f"{self.folder}/system", "HOME": "/nowhere", **environment})
        return done.returncode, done.stdout, done.stderr

    def installs(self, *options, **environment):
        status, out, err = self.run_it(HOUSE / "tools/install_deps", *options, **environment)
        self.assertEqual(out, "")
        self.assertNotRegex(err, r"line \d+:")  # a message of the shell in place of a sentence
        return status, err


class InstallDeps(OnASystem):
    def test_nothing_is_touched_where_all_is_there(self):
        self.assertEqual(self.installs("--mpi")[0], 0)
        self.are("calls")
        self.assertEqual(self.installs("--mpi"), (0, ""))
        self.assertEqual(self.these("calls"), [])
        self.assertLess(set(REQUIRED + MPI), set(self.these("installed")))
        self.assertNotIn("slurmctld", self.these("installed"))

    def test_what_the_build_needs_comes_first(self):
        self.assertEqual(self.installs("--slurm", "--hosts", "--mpi")[0], 0)
        places = [self.these("installed").index(p) for p in ("cmake", "libdnnl-dev", "libopenmpi-dev", "iproute2", "munge")]
        self.assertEqual(places, sorted(places))

    def test_what_counts_is_what_is_there_afterwards(self):
        self.are("half", "grub-pc")  # of somebody else: apt ends with 100 although it has installed everything
        status, err = self.installs("--mpi")
        self.assertEqual((status, "could not" in err), (0, False), err)
        self.program("apt-get", "#!/bin/sh\nexit 0\n")  # and one that does nothing has not installed anything
        self.are("installed")
        status, err = self.installs()
        self.assertEqual(status, 1)
        self.assertIn("install_deps: apt-get could not install: cmake ninja-build g++ ", err)

    def test_a_daemon_that_cannot_be_configured_costs_itself(self):
        self.are("stubborn", "munge")
        status, err = self.installs("--slurm", "--mpi")
        self.assertEqual(status, 4)
        self.assertIn("install_deps: apt-get could not install: munge (its last lines stand above)\n", err)
        self.assertLess(set(REQUIRED + MPI + ["slurmctld"]), set(self.these("installed")))
        self.assertEqual(self.installs("--mpi"), (0, ""))  # and nothing later

    def test_a_package_that_apt_does_not_know_keeps_none_of_the_others_away(self):
        self.are("unknown", "libhdf5-openmpi-dev")
        status, err = self.installs("--mpi")
        self.assertEqual(status, 4)
        self.assertIn("could not install: libhdf5-openmpi-dev (", err)
        self.assertIn("openmpi-bin", self.these("installed"))
        self.are("unknown", "libdnnl-dev")
        self.are("installed")
        status, err = self.installs()
        self.assertEqual(status, 1)
        self.assertIn("could not install: libdnnl-dev (", err)

    def test_lists_that_cannot_be_renewed_may_still_do(self):
        self.assertEqual(self.installs(UPDATE_ENDS="100")[0], 0)

    def test_a_name_is_chosen_by_what_apt_knows(self):
        for unknown in ("unknown", "virtual"):
            self.are(unknown, "pkg-config", "libturbojpeg0-dev")
            self.assertEqual(self.installs()[0], 0)
            self.assertLess({"pkgconf", "libturbojpeg-dev"}, set(self.these("installed")))
            self.assertEqual(self.installs(), (0, ""))  # any of the names will do
            self.are("installed")
            self.are(unknown)

    def test_without_apt_all_is_listed_by_what_it_is_for(self):
        for program in "bash sed grep dirname env cat mktemp rm".split():
            self.folder.joinpath("bare").mkdir(exist_ok=True)
            (self.folder / "bare" / program).symlink_to(shutil.which(program))
        status, out, err = self.run_it(HOUSE / "tools/install_deps", "--mpi", path=f"{self.folder}/bare")
        self.assertEqual((status, out), (3, ""))
        first, *lines = err.splitlines()
        self.assertIn("this system has no apt", first)
        for function in "C++20 compiler|CMake 3.22|Ninja|OpenMPI|HDF5 1.10|oneDNN|fmt 8|spdlog|yaml-cpp|CLI11|GoogleTest|giflib|cairo|PCRE2|SentencePiece".split("|"):
            self.assertTrue(any(function in line for line in lines), (function, err))
        self.assertTrue(all(line.startswith("  - ") for line in lines), err)
        self.assertFalse(any("Slurm" in line for line in lines))

    def test_an_unknown_option_is_a_wrong_command_line(self):
        self.assertEqual(self.installs("--mpj"), (2, "install_deps: '--mpj' is not known; see tools/install_deps --help\n"))


CTEST = """#!/bin/bash
echo "ctest $*" >>"$SYSTEM/steps"
for word in "$@"; do
  if [[ ${last:-} == --output-junit ]]; then
    echo '<testsuite><testcase name="t" status="run"><system-out></system-out></testcase></testsuite>' >"$word"
  fi
  last=$word
done
"""
CMAKE = """#!/bin/bash
echo "cmake $*" >>"$SYSTEM/steps"
[[ -z ${NO_BUILD:-} ]] || { echo "CMake Error: nothing goes" >&2 && exit 1; }
mkdir -p build/release
"""


class TheTestCommand(OnASystem):
    def setUp(self):
        super().setUp()
        for name in ("test", "install_deps", "count_tests.py"):
            (self.folder / "house/tools").mkdir(parents=True, exist_ok=True)
            shutil.copy(HOUSE / "tools" / name, self.folder / "house/tools" / name)
        self.program("cmake", CMAKE)
        self.program("ctest", CTEST)
        self.program("ninja", "#!/bin/sh\n")
        self.program("nvidia-smi", "#!/bin/sh\nexit 1\n")
        (self.folder / "shared/data").mkdir(parents=True)

    def command(self, *options, **environment):
        status, out, err = self.run_it(self.folder / "house/tools/test", *options, **environment)
        self.assertNotRegex(err, r"line \d+:")
        return status, out.splitlines(), err

    def test_daemons_come_only_when_they_are_asked_for(self):
        status, out, _ = self.command("-R", "x")
        self.assertEqual((status, out[-1]), (0, "lact: 1 passed, 0 failed, 0 not run"))
        self.assertLess({"iproute2", *MPI}, set(self.these("installed")))
        self.assertFalse({"munge", "slurmd"} & set(self.these("installed")))
        self.assertTrue(self.these("steps")[-1].endswith("-R x -LE ^(cuda)$"), self.these("steps"))
        self.command("--with-slurm", "-R", "x")
        self.assertLess({"munge", "slurmd", "slurmctld"}, set(self.these("installed")))
        self.assertTrue(self.these("steps")[-1].endswith("-R x -LE ^(cuda)$"), self.these("steps"))

    def test_what_is_optional_and_fails_costs_its_tests_alone(self):
        for package in ("munge", "iproute2", "libopenmpi-dev"):
            self.are("installed")
            self.are("half")
            self.are("stubborn", package)
            status, out, err = self.command("--with-slurm", "-R", "x")
            self.assertEqual((status, out[-1]), (0, "lact: 1 passed, 0 failed, 0 not run"), err)
            self.assertIn(f"could not install: {package} (", err)
            self.assertIn("tools/test: the tests that need these are counted as not run\n", err)

    def test_without_what_the_build_needs_nothing_is_begun(self):
        self.are("unknown", "libfmt-dev")
        status, out, err = self.command()
        self.assertEqual((status, self.these("steps")), (1, []))
        self.assertEqual(out[-2:], ["0 passed, 1 failed", "lact: 0 passed, 1 failed, 0 not run"])
        self.assertIn("could not install: libfmt-dev (", err)
        self.assertTrue(err.endswith("tools/test: packages that the build needs are missing, so nothing was run\n"), err)

    def test_a_build_that_fails_is_one_failure(self):
        status, out, err = self.command(NO_BUILD="1")
        self.assertEqual((status, out[-1]), (1, "lact: 0 passed, 1 failed, 0 not run"), err)
        self.assertEqual(self.these("steps")[1:], [])


class FreshRoot(OnASystem):
    def fresh(self, *words, **environment):
        status, out, err = self.run_it(HOUSE / "tools/fresh_root", *words, **environment)
        self.assertNotRegex(err, r"line \d+:")
        return status, out, err

    def test_a_wrong_command_line_is_told(self):
        for words, said in [([], "which Debian? bookworm or trixie"), (["sid"], "'sid' is neither bookworm nor trixie"),
                            (["trixie", "a", "b"], "'b' is one word too many"), (["trixie", "--only"], "--only needs a value"),
                            (["trixie", "--only", "x"], "--only wants 'demo' or 'test', not 'x'"), (["--fresh"], "'--fresh' is not known")]:
            self.assertEqual(self.fresh(*words), (2, "", f"fresh_root: {said}; see tools/fresh_root --help\n"))

    def made(self, *words, demo=0, test=0):
        """With a debootstrap that makes a folder, and a chroot that tells what it was asked for."""
        self.program("id", "#!/bin/sh\necho 0\n")
        self.program("mount", '#!/bin/sh\necho "$*" >>"$SYSTEM/mounts"\n')
        self.program("unshare", '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n')
        self.program("debootstrap", '#!/bin/bash\necho "$*" >>"$SYSTEM/calls"\nmkdir -p "$3"/{etc,root}\n'
                                    '[[ -z ${NO_NETWORK:-} ]] || { echo "E: no network" && exit 1; }\n')
        self.program("git", '#!/bin/bash\ncase $* in *rev-parse\\ --show*) echo "$SYSTEM" ;; *rev-parse*) echo abc123 ;; esac\n')
        self.program("chroot", f'#!/bin/bash\necho "$1: ${{*: -1}}" >>"$SYSTEM/commands"\n'
                               f'case $* in *demo) exit {demo} ;; *test) exit {test} ;; esac\n')
        return self.fresh("trixie", self.folder / "root", *words)

    def test_both_commands_run_and_their_ends_are_told(self):
        status, out, err = self.made()
        self.assertEqual((status, err), (0, ""))
        self.assertEqual([c.split(": ")[1] for c in self.these("commands")], ["./launch/demo", "./tools/test"])
        self.assertRegex(out, r"trixie: ./launch/demo: exit status 0 after \d+ s\ntrixie: ./tools/test: exit status 0 after \d+ s\n")
        self.assertIn("== trixie, commit abc123, made in ", out)
        self.assertFalse((self.folder / "root").exists())

    def test_one_that_fails_does_not_hide_the_other(self):
        status, out, _ = self.made("--keep", demo=1)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"demo: exit status 1 after \d+ s\ntrixie: ./tools/test: exit status 0 after")
        self.assertTrue((self.folder / "root/etc/hosts").exists())
        self.assertIn("not empty", self.fresh("trixie", self.folder / "root")[2])

    def test_one_alone(self):
        self.assertEqual(self.made("--only", "test", test=3)[0], 1)
        self.assertEqual([c.split(": ")[1] for c in self.these("commands")], ["./tools/test"])

    def test_what_keeps_it_from_being_made_is_told_and_nothing_stays(self):
        self.made()
        status, _, err = self.fresh("bookworm", self.folder / "other", NO_NETWORK="1")
        self.assertEqual(status, 1)
        self.assertIn("E: no network\nfresh_root: debootstrap could not make bookworm from http://deb.debian.org/debian", err)
        self.assertFalse((self.folder / "other").exists())


if __name__ == "__main__":
    sys.exit(cases.main())
