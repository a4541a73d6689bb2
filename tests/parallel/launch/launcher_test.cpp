// What launchers of MPI programs put into the environment, and whether MPI knows the same.
#include "parallel/launch/launcher.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/check.hpp"

namespace lact {
namespace {

using Words = std::map<std::string, std::string>;

Environment with(Words words) {
  return [words = std::move(words)](const char* name) {
    const auto found = words.find(name);
    return found == words.end() ? nullptr : found->second.c_str();
  };
}

TEST(Launcher, SaysWhichRankThisIs) {
  struct Case {
    Words words;
    int rank, ranks;
    std::string how;
  };
  for (const Case& c : std::vector<Case>{
           {{{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "2"}},
            2,
            4,
            "started as rank 2 of 4 (OMPI_COMM_WORLD_SIZE)"},
           {{{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"PMIX_RANK", "0"}}, 1, 2, "started as rank 1 of 2 (PMI_SIZE)"},
           {{{"MV2_COMM_WORLD_RANK", "1"}, {"MV2_COMM_WORLD_SIZE", "2"}},
            1,
            2,
            "started as rank 1 of 2 (MV2_COMM_WORLD_SIZE)"},
           {{{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}}, 5, 8, "started as rank 5 of 8 (SLURM_STEP_NUM_TASKS)"},
           {{{"PMIX_RANK", "3"}}, 3, 1, "started as rank 3 (PMIX_RANK)"}}) {
    EXPECT_TRUE(started_as_a_rank(with(c.words))) << c.how;
    const Launch l = launch_of(with(c.words));
    EXPECT_EQ(l.rank, c.rank);
    EXPECT_EQ(l.ranks, c.ranks);
    EXPECT_EQ(how_started(l), c.how);
  }
  EXPECT_EQ(launch_of(with({{"LACT_STATUS_ADDRESS", "head"}})).status_address, "head");
}

TEST(Launcher, OneProcessIsNoRank) {
  for (const Words& words :
       std::vector<Words>{{},
                          {{"OMPI_COMM_WORLD_SIZE", "1"}, {"PMIX_RANK", "0"}},
                          {{"PMI_SIZE", "1"}, {"PMI_RANK", "0"}},
                          // the shell of a job of 8 tasks, and single processes of such a job
                          {{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}},
                          {{"SLURM_NTASKS", "8"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}}) {
    EXPECT_FALSE(started_as_a_rank(with(words)));
    EXPECT_EQ(launch_of(with(words)).rank, 0);
    EXPECT_NO_THROW(check_that_mpi_knows(launch_of(with(words)), 1, "Open MPI v4.1.4"));
  }
}

TEST(Launcher, TasksOfSrunWithoutMpiAreRefused) {
  EXPECT_THROW(started_as_a_rank(with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}})), Error);
}

std::string refusal(const Words& words, int known) {
  try {
    check_that_mpi_knows(launch_of(with(words)), known, "Open MPI v4.1.4");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Launcher, ARankThatMpiKnowsAsTheOnlyOneIsRefused) {
  const Words mpich{{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}};
  EXPECT_TRUE(refusal(mpich, 1).starts_with(
      "started as rank 1 of 2 (PMI_SIZE), but MPI (Open MPI v4.1.4) knows of 1 rank: mpirun belongs to another MPI"))
      << refusal(mpich, 1);
  EXPECT_EQ(refusal(mpich, 1).find("srun"), std::string::npos);
  EXPECT_EQ(refusal(mpich, 2), "");
  EXPECT_NE(refusal({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}, {"SLURM_STEP_ID", "0"}}, 1).find("`srun --mpi=pmix`"),
            std::string::npos);
  EXPECT_TRUE(refusal({{"PMIX_RANK", "3"}}, 1).starts_with("started as rank 3 (PMIX_RANK), but MPI"));
  EXPECT_EQ(refusal({{"PMIX_RANK", "0"}}, 1), "") << "one rank of one";
  // A component of a heterogeneous job of Slurm: MPI's world is larger than the step that Slurm tells of.
  EXPECT_EQ(refusal({{"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}, 6), "");
}

}  // namespace
}  // namespace lact
