// What the other commands make of a run: weights, datasets, pictures, numbers.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <filesystem>

#include "data/views/images.hpp"
#include "files/safetensors.hpp"
#include "run/checkpoint.hpp"
#include "run/tensorboard.hpp"
#include "support/command.hpp"
#include "support/tiny_run.hpp"
#include "support/views_of.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
constexpr std::int64_t parameters = 19379;

class Convert : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config()), run_ = trained("run", {"train.eval_every=4"});
  // The data of tiny_config() as key=value, for runs that begin with a weights file.
  const Words keys_ = {"model.file=" + folder_.write("model.yaml", tiny_model()),
                       "data.image_size=[16, 16]",
                       "data.num_all_views=4",
                       "data.num_input_views=3",
                       "data.num_target_views=2",
                       "data.held_out=[6, 7]",
                       "data.synthetic.scenes=2",
                       "data.synthetic.views=8",
                       "data.synthetic.resolution=16",
                       "compute.threads=1",
                       "train.steps=3"};

  std::string trained(const std::string& name, Words more = {}) const {
    more.insert(more.begin(), {"train", config_, "run.dir=" + folder_ / name});
    done(more);
    return folder_ / name;
  }
  Outcome done(const Words& arguments) const {
    const Outcome o = run_lact(arguments);
    EXPECT_EQ(o.status, 0) << arguments[0] << ": " << o.err;
    return o;
  }
  Json json(Words arguments) const {  // one line of JSON and nothing else
    arguments.push_back("--json");
    const Outcome o = done(arguments);
    EXPECT_EQ(std::count(o.out.begin(), o.out.end(), '\n'), 1) << o.out;
    return Json::parse(o.out, "stdout");
  }
  std::string imported(const std::string& weights, const std::string& name) const {
    Words arguments = {"convert", "weights", weights, folder_ / name};
    arguments.insert(arguments.end(), keys_.begin(), keys_.end());
    done(arguments);
    return folder_ / name;
  }
  std::string exported(const std::string& run, const std::string& name) const {
    done({"convert", "weights", run, folder_ / name});
    return folder_ / name;
  }
};

std::map<std::string, std::string> values_in(const std::string& checkpoint) {
  auto numbers = numbers_in(checkpoint);
  std::erase_if(numbers, [](const auto& one) { return !one.first.starts_with("value/"); });
  return numbers;
}

TEST_F(Convert, WeightsGoOutAndBackBitForBit) {
  const std::string file = exported(run_, "weights.safetensors"), other = imported(file, "other");
  EXPECT_TRUE(values_in(newest_checkpoint(run_)) == values_in(newest_checkpoint(other)));
  for (const auto& [name, bytes] : numbers_in(newest_checkpoint(other)))
    if (name.starts_with("first/") || name.starts_with("second/")) {
      EXPECT_EQ(bytes, std::string(bytes.size(), '\0')) << name;
    }
  exported(other, "again.safetensors");
  EXPECT_TRUE(folder_.read("weights.safetensors") == folder_.read("again.safetensors"));
  Json a = json({"eval", run_}), b = json({"eval", other});
  EXPECT_EQ(b["step"].integer(), 0);
  EXPECT_EQ(a["eval_psnr"].number(), b["eval_psnr"].number());
  EXPECT_EQ(a["views"].dump(), b["views"].dump());

  const SafetensorsFile published(file);
  for (const std::string name :
       {"input_linear.weight", "input_layernorm.weight", "blocks.0.module_list.0.f.to_qkv.weight",
        "blocks.0.module_list.1.f.w0", "image_token_decoder.1.weight"})
    EXPECT_TRUE(published.has(name)) << name;
}

TEST_F(Convert, PrefixesOfWrappersAreIgnored) {
  const std::string file = exported(run_, "weights.safetensors");
  const auto device = Device::open(Backend::cpu);
  const SafetensorsFile plain(file);
  std::vector<std::pair<std::string, Tensor>> wrapped;
  for (const std::string& name : plain.names())
    wrapped.emplace_back("module._orig_mod." + name, plain.read(name, *device));
  write_safetensors(folder_ / "wrapped.safetensors", wrapped);
  const std::string other = imported(folder_ / "wrapped.safetensors", "other");
  EXPECT_TRUE(values_in(newest_checkpoint(run_)) == values_in(newest_checkpoint(other)));
}

TEST_F(Convert, ARunOfImportedWeightsTrainsOnFromThem) {
  const std::string other = imported(exported(run_, "weights.safetensors"), "other");
  done({"train", other + "/config.yaml"});
  const auto rows = training_rows(other);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NE(rows[0]["loss"].number(), training_rows(run_)[0]["loss"].number());  // the same samples, other weights
  EXPECT_EQ(steps_done(other), 3);
}

TEST_F(Convert, GeneratedScenesOnDiskTrainByAnyOfTheirPaths) {
  const std::string scenes = folder_ / "scenes";
  const Words write = {"convert",
                       "synthetic",
                       scenes,
                       "data.synthetic.scenes=2",
                       "data.synthetic.views=8",
                       "data.synthetic.resolution=32"};
  EXPECT_NE(done(write).out.find(scenes + "/index.json: 2 scenes of 8 views, 32 x 32 pixels"), std::string::npos);
  expect_refused(folder_.path(), write, {scenes});
  const std::vector<std::pair<std::string, std::int64_t>> paths = {
      {"/index.json", 2}, {"/scene_0001", 1}, {"/scene_0001/opencv_cameras.json", 1}};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string run = trained("disk" + std::to_string(i), {"data.path=" + scenes + paths[i].first});
    const Json lists = Json::read(run + "/views.json");
    EXPECT_EQ(lists.size(), paths[i].second);
    EXPECT_EQ(lists.at(lists.size() - 1)["scene"].text(), "scene_0001");
    EXPECT_EQ(json({"inspect", scenes + paths[i].first})["scenes"].integer(), paths[i].second);
  }
  EXPECT_EQ(told_by(folder_ / "disk1"), told_by(folder_ / "disk2"));
  EXPECT_NE(done({"inspect", scenes + "/index.json"}).out.find("8 views, 32 x 32 pixels"), std::string::npos);
  done({"render", run_, "scene=" + scenes + "/scene_0001", "out=" + folder_ / "pictures"});
  EXPECT_TRUE(fs::exists(folder_ / "pictures/scene_0001_sheet.png"));  // the run's own scene, with its held-out views
}

TEST_F(Convert, AnotherSceneIsRenderedFromTheViewsThatItHas) {
  const std::string mine = folder_ / "scenes/scene_0000", pictures = folder_ / "pictures";
  done({"convert", "synthetic", folder_ / "scenes", "data.synthetic.scenes=1", "data.synthetic.views=3",
        "data.synthetic.resolution=16"});
  const Outcome o = done({"render", run_, "scene=" + mine, "out=" + pictures});
  EXPECT_EQ(o.out, pictures + "/scene_0000_turntable.gif\n");
  EXPECT_FALSE(fs::exists(pictures + "/scene_0000_sheet.png"));
  expect_refused(folder_.path(), {"eval", run_, "data.path=" + mine}, {"no view is held out", "data.held_out=[...]"});
  EXPECT_EQ(json({"eval", run_, "data.path=" + mine, "data.held_out=[2]", "data.num_input_views=2"})["views"].size(),
            1);
  done({"render", run_, "scene=" + mine, "out=" + pictures, "data.held_out=[2]", "data.eval_inputs=[1]"});
  EXPECT_TRUE(fs::exists(pictures + "/scene_0000_sheet.png"));
}

// Another of its views gives the input, and where there is none the others are enough.
TEST_F(Convert, AnotherSceneIsRenderedWithoutItsDamagedPictures) {
  const std::string pictures = folder_ / "pictures";
  for (const int views : {3, 5}) {
    const std::string scenes = folder_ / ("scenes" + std::to_string(views)), mine = scenes + "/scene_0000";
    done({"convert", "synthetic", scenes, "data.synthetic.scenes=1", "data.synthetic.views=" + std::to_string(views),
          "data.synthetic.resolution=16"});
    const std::string damaged = mine + "/renderings/00000001_rgba.png";
    fs::resize_file(damaged, fs::file_size(damaged) / 2);
    const Outcome o = done({"render", run_, "scene=" + mine, "out=" + pictures});
    EXPECT_EQ(o.out, pictures + "/scene_0000_turntable.gif\n");
    EXPECT_NE(o.err.find(damaged + ": the PNG is cut off"), o.err.npos) << o.err;
    const std::string listed = done({"inspect", mine}).err;
    EXPECT_NE(listed.find(damaged), listed.npos) << listed;
  }
  for (const std::string name : {"0", "2"})
    folder_.write("scenes3/scene_0000/renderings/0000000" + name + "_rgba.png", "");
  expect_refused(folder_.path() + "/pictures",
                 {"render", run_, "scene=" + folder_ / "scenes3/scene_0000", "out=" + pictures},
                 {"scene 'scene_0000'", "all its pictures are damaged"});
  expect_refused(folder_.path() + "/pictures", {"inspect", folder_ / "scenes3/scene_0000"},
                 {"scene 'scene_0000'", "all its pictures are damaged; ", "00000000_rgba.png: the file is empty"});
}

TEST_F(Convert, FilesAreToldByTheirFirstBytes) {
  const std::string weights = exported(run_, "weights.safetensors"), checkpoint = newest_checkpoint(run_);
  fs::copy_file(weights, folder_ / "weights.bin");
  fs::copy_file(checkpoint, folder_ / "checkpoint.hdf5");
  EXPECT_EQ(json({"inspect", folder_ / "weights.bin"})["kind"].text(), "safetensors");
  EXPECT_EQ(json({"inspect", folder_ / "checkpoint.hdf5"})["kind"].text(), "checkpoint");
  Words from_bin = {"convert", "weights", folder_ / "weights.bin", folder_ / "from_bin"};
  from_bin.insert(from_bin.end(), keys_.begin(), keys_.end());
  done(from_bin);
  const std::string torch = "tests/data/tiny_checkpoint.pt",
                    mend = "tools/pt_to_safetensors.py makes safetensors of it";
  expect_refused(folder_.path(), {"inspect", torch}, {torch, mend});
  expect_refused(folder_.path(), {"convert", "weights", torch, folder_ / "new"}, {torch, mend});
  expect_refused(folder_.path(), {"convert", "weights", checkpoint, folder_ / "new"}, {checkpoint, "is an HDF5 file"});
  const std::string plain = folder_.write("plain.yaml", "train: {steps: 1}");
  expect_refused(folder_.path(), {"train", plain, "data.path=" + torch}, {torch, mend, "data.path takes"});
  expect_refused(folder_.path(), {"train", plain, "model.file=" + torch}, {torch, mend, "model.file takes"});
  expect_refused(folder_.path(), {"train", weights}, {weights, "is a safetensors file; a config is YAML or JSON"});
}

TEST_F(Convert, InspectTellsWhatAFileIs) {
  const std::string weights = exported(run_, "weights.safetensors"), checkpoint = newest_checkpoint(run_);
  const Json run = json({"inspect", run_}), saved = json({"inspect", checkpoint}), file = json({"inspect", weights});
  EXPECT_EQ(run["kind"].text(), "run");
  EXPECT_EQ(run["step"].integer(), 12);
  EXPECT_EQ(run["steps_wanted"].integer(), 12);
  EXPECT_EQ(run["newest"].text(), checkpoint);
  EXPECT_EQ(run["numbers"].integer(), parameters);
  EXPECT_EQ(saved["kind"].text(), "checkpoint");
  EXPECT_EQ(saved["next_sample"].integer(), 24);
  EXPECT_EQ(saved["numbers"].integer(), 3 * parameters);  // values and two moments
  EXPECT_EQ(file["kind"].text(), "safetensors");
  EXPECT_EQ(file["numbers"].integer(), parameters);
  EXPECT_EQ(file["tensors"].size(), run["tensors"].size());
  for (const std::string& path : {run_, checkpoint, weights})
    EXPECT_NE(done({"inspect", path}).out.find("image_token_decoder.1.weight"), std::string::npos) << path;
}

TEST_F(Convert, PicturesOfARun) {
  const Outcome o = done({"render", run_, "out=" + folder_ / "pictures"});
  for (const std::string scene : {"scene_0000", "scene_0001"}) {
    const std::string sheet = "pictures/" + scene + "_sheet.png", turntable = "pictures/" + scene + "_turntable.gif";
    EXPECT_NE(o.out.find(folder_ / sheet + "\n"), std::string::npos) << o.out;
    EXPECT_NE(o.out.find(folder_ / turntable + "\n"), std::string::npos) << o.out;
    const Image image = decode_image(folder_ / sheet);
    EXPECT_GT(image.width, 4 * 16);
    EXPECT_GT(image.height, 2 * 16);  // a row for each of two held-out views
    const std::string gif = folder_.read(turntable);
    ASSERT_GT(gif.size(), 20u);
    EXPECT_EQ(gif.substr(0, 6), "GIF89a");
    EXPECT_EQ(gif.substr(6, 4), std::string("\x10\0\x10\0", 4));  // 16 x 16
    EXPECT_EQ(gif.back(), ';');
  }
  done({"render", run_});
  EXPECT_TRUE(fs::exists(run_ + "/images/scene_0001_turntable.gif"));
}

TEST_F(Convert, EvaluationOfOneRunAndOfSeveral) {
  const std::string other = trained("other", {"train.seed=1"});
  const Json one = json({"eval", other}), both = json({"eval", run_, other});
  EXPECT_EQ(both["eval_psnr"].number(), json({"eval", run_})["eval_psnr"].number());
  ASSERT_EQ(both["runs"].size(), 2);
  EXPECT_EQ(both["runs"].at(1).dump(), one.dump());
  EXPECT_EQ(one["views"].size(), 4);
  const std::string table = done({"eval", run_, other}).out;
  for (const std::string& word : {run_, other, std::string("scene_0001"), std::string("SSIM")})
    EXPECT_NE(table.find(word), std::string::npos);
  EXPECT_NE(json({"eval", run_, "data.eval_inputs=[0, 1, 2]"})["eval_psnr"].number(), both["eval_psnr"].number());
  const Json judged = [&] {
    const Outcome o = run_lact({"eval", run_, "--json", "--above-baselines", "3"});
    EXPECT_EQ(o.status, 1);
    return Json::parse(o.out, "stdout");
  }();
  EXPECT_TRUE(judged.has("eval_psnr"));
}

TEST_F(Convert, KeysMayNameBlocksOfTheModelFileAndOfTheDefault) {
  auto head_dim = [](const std::string& run) {
    return views_of(config_of_run(run)).model.block_config[0].params.head_dim;
  };
  const std::string pair = "model.block_config.0.params.head_dim=8",
                    plain = folder_.write("plain.yaml", "train: {steps: 1}");
  Words from_file = {"train", plain, "run.dir=" + folder_ / "file", pair}, by_default = from_file;
  from_file.insert(from_file.end(), keys_.begin(), keys_.end());
  done(from_file);
  EXPECT_EQ(head_dim(folder_ / "file"), 8);
  by_default[2] = "run.dir=" + folder_ / "default";
  for (const std::string key : {"model.dim=64", "model.layers=1", "data.image_size=[16, 16]", "compute.threads=1"})
    by_default.push_back(key);
  done(by_default);
  EXPECT_EQ(head_dim(folder_ / "default"), 8);
}

TEST_F(Convert, ReferenceNumbersAsJson) {
  const Json found = json({"verify", "golden", "tests/golden/lact/01_newton_schulz.safetensors"});
  EXPECT_EQ(found["files"].integer(), 1);
  EXPECT_EQ(found["failed"].integer(), 0);
  EXPECT_TRUE(found["rows"].at(0)["ok"].boolean());
  EXPECT_GT(found["rows"].at(0)["compared"].integer(), 0);
}

TEST_F(Convert, TensorBoardEventsAreFramedWithChecksums) {
  std::int64_t files = 0, records = 0;
  auto masked = [](std::string_view bytes) {
    return std::rotr(crc32c(bytes), 15) + 0xa282ead8u;
  };  // tensorflow/core/lib/hash/crc32c.h
  for (const auto& [path, all] : contents_of(run_)) {
    if (path.find("events.out.tfevents") == std::string::npos) continue;
    ++files;
    for (std::string_view rest = all; !rest.empty(); ++records) {
      std::uint64_t length = 0;
      std::uint32_t of_length = 0, of_record = 0;
      ASSERT_GE(rest.size(), 16u);
      std::memcpy(&length, rest.data(), 8);
      std::memcpy(&of_length, rest.data() + 8, 4);
      ASSERT_EQ(of_length, masked(rest.substr(0, 8)));
      ASSERT_LE(length + 16, rest.size());
      std::memcpy(&of_record, rest.data() + 12 + length, 4);
      ASSERT_EQ(of_record, masked(rest.substr(12, length)));
      rest.remove_prefix(16 + length);
    }
  }
  EXPECT_EQ(files, 1);
  EXPECT_GE(records, 15);  // 12 steps and 3 evaluations
}

}  // namespace
}  // namespace lact
