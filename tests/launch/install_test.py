#!/usr/bin/env python3
"""What `cmake --install` puts where, and that it works from there, moved and started from anywhere."""
import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["LACT_BINARY"]).parent


def run(*words, cwd=None, **env):
    return subprocess.run(list(map(str, words)), cwd=cwd, text=True, capture_output=True, timeout=120,
                          env={k: v for k, v in {**os.environ, **env}.items() if k != "LACT_BINARY"})


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name).resolve()
        done = run("cmake", "--install", BUILD, "--prefix", cls.folder / "first")
        assert done.returncode == 0, done.stdout + done.stderr
        cls.prefix = cls.folder / "a place"  # packages move prefixes
        (cls.folder / "first").rename(cls.prefix)
        cls.elsewhere = cls.folder / "elsewhere"
        cls.elsewhere.mkdir()

    def test_everything_is_where_packages_put_it(self):
        for place in ("bin/lact", "bin/lact-run", "libexec/lact/run", "libexec/lact/rank.sh", "libexec/lact/slurm.sbatch",
                      "share/lact/configs/demo.yaml", "share/lact/configs/nvs/character_64.yaml", "share/lact/configs/machines/one_h100.yaml",
                      "share/doc/lact/README.md", "share/doc/lact/LICENSE", "share/doc/lact/docs/math.md"):
            self.assertTrue((self.prefix / place).is_file(), place)
        self.assertEqual(run(self.prefix / "bin/lact", "--version").returncode, 0)

    def test_a_package_is_made_in_a_folder_of_its_own(self):
        done = run("cmake", "--install", BUILD, "--prefix", "/usr", DESTDIR=str(self.folder / "package"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.readlink(self.folder / "package/usr/bin/lact-run"), "../libexec/lact/run")

    def test_a_config_is_found_from_anywhere(self):
        plan = [self.prefix / "bin/lact", "plan", "configs/nvs/character_64.yaml", "machine=configs/machines/two_cores.yaml", "ranks=1"]
        done = run(*plan, cwd=self.elsewhere)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"configs/nvs/character_64.yaml is not in this folder; {self.prefix}/share/lact/configs/nvs/character_64.yaml is read",
                      done.stderr)
        done = run(self.prefix / "bin/lact", "train", "configs/nvs/characters.yaml", cwd=self.elsewhere)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"installed ones are in {self.prefix}/share/lact/configs", done.stderr)
        for command in (["train"], ["bench", "train"], ["profile"], ["verify", "layouts"]):  # all look in one place
            done = run(self.prefix / "bin/lact", *command, "configs/nvs/character_64.yaml", "train.steps=-1", cwd=self.elsewhere)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count("share/lact/configs/nvs/character_64.yaml is read"), 1, done.stderr)
        done = run(self.prefix / "bin/lact", "train", "configs/nvs/character_64.yaml", cwd=self.elsewhere)
        self.assertEqual(done.returncode, 1)
        self.assertIn("FOLDER: no such file or folder; data.path takes a scene folder", done.stderr)
        (self.elsewhere / "configs/nvs").mkdir(parents=True)
        (self.elsewhere / "configs/nvs/character_64.yaml").write_text("train: {steps: -1}\n")  # the one that is here wins
        done = run(*plan, cwd=self.elsewhere)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("is read", done.stderr)

    def test_a_job_of_slurm_finds_the_launcher_that_was_installed_with_it(self):
        spool = self.folder / "spool"  # Slurm runs a copy of the file and says which one it was
        spool.mkdir()
        (spool / "slurm_script").write_text((self.prefix / "libexec/lact/slurm.sbatch").read_text())
        (spool / "scontrol").write_text(f"#!/bin/sh\nprintf 'JobId=7\\n   JobState=RUNNING\\n   Command={self.prefix}/libexec/lact/slurm.sbatch -- lact\\n   WorkDir=/\\n'\n")
        (spool / "scontrol").chmod(0o755)
        done = run("bash", spool / "slurm_script", "--bind", "sideways", cwd=self.elsewhere, SLURM_JOB_ID="7",
                   SLURM_SUBMIT_DIR=str(self.elsewhere), PATH=f"{spool}:{os.environ['PATH']}")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--bind wants 'cores' or 'none', not 'sideways'", done.stderr)

    def test_ranks_start_from_there_with_the_program_beside_the_launcher(self):
        other = self.folder / "other"  # another program of that name, as an older version in the PATH would be
        other.mkdir()
        (other / "lact").write_text("#!/bin/sh\nexit 9\n")
        (other / "lact").chmod(0o755)
        done = run(self.prefix / "bin/lact-run", "-n", "2", "--allow-root", "--threads", "1", "--", "lact", "train", "configs/demo.yaml", "run.dir=run",
                   "train.steps=2", "train.eval_every=0", "model.dim=32", "model.layers=1", "model.patch_size=4",
                   "model.block_config.0.params.head_dim=16", "model.block_config.1.params.head_dim=32", "data.synthetic.scenes=5",
                   "data.synthetic.resolution=16", "data.image_size=[16, 16]", "train.batch_size=2", "parallel.dp=2", cwd=self.elsewhere,
                   PATH=f"{other}:{os.environ['PATH']}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len((self.elsewhere / "run/metrics.jsonl").read_text().splitlines()), 3, done.stderr)


if __name__ == "__main__":
    unittest.main()
