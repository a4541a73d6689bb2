// Scenes, configs and command lines that are wrong: one clear sentence, the right exit status, and nothing is written.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/command.hpp"
#include "support/tiny_png.hpp"
#include "support/tiny_run.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
constexpr int views = 8;

std::string picture(std::uint32_t side = 16) {
  TinyPng png{.width = side, .height = side};
  for (std::uint32_t y = 0; y < side; ++y) png.rows.push_back(std::string(3 * side, char(10 * y)));
  return png.bytes();
}

// An entry of a camera list, with one key's value replaced; an empty value leaves the key out.
std::string camera(int number, const std::string& key = "", const std::string& value = "") {
  std::string out;
  const std::vector<std::pair<std::string, std::string>> members = {
      {"fx", "20"},
      {"fy", "20"},
      {"cx", "8"},
      {"cy", "8"},
      {"w2c", "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.7], [0, 0, 0, 1]]"},
      {"file_path", "\"p" + std::to_string(number) + ".png\""}};
  for (const auto& [k, v] : members) {
    const std::string& said = k == key ? value : v;
    if (!said.empty()) out += (out.empty() ? "{\"" : ", \"") + k + "\": " + said;
  }
  return out + "}";
}

// A list of eight cameras; that of view 3 is replaced.
std::string cameras(const std::string& third = camera(3)) {
  std::string out;
  for (int v = 0; v < views; ++v) out += (v == 0 ? "[" : ", ") + (v == 3 ? third : camera(v));
  return out + "]";
}

class BadInput : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("tiny.yaml", tiny_config());
  std::string list_ = folder_ / "scene/opencv_cameras.json";

  void SetUp() override {
    fs::create_directories(folder_ / "scene");
    for (int v = 0; v < views; ++v) folder_.write("scene/p" + std::to_string(v) + ".png", picture());
    folder_.write("scene/opencv_cameras.json", cameras());
  }
  void refused(const Words& pairs, const Words& words) const {
    Words arguments = {"train", config_, "run.dir=" + folder_ / "run"};
    arguments.insert(arguments.end(), pairs.begin(), pairs.end());
    expect_refused(folder_.path(), arguments, words);
  }
  void refused_data(const std::string& path, const Words& words) const { refused({"data.path=" + path}, words); }
  void refused_list(const std::string& text, Words words) const {
    folder_.write("scene/opencv_cameras.json", text);
    words.push_back(list_);
    refused_data(folder_ / "scene", words);
  }
  void refused_picture(const std::string& bytes, Words words, int view = 3) const {
    const std::string name = "scene/p" + std::to_string(view) + ".png";
    folder_.write(name, bytes);
    words.push_back(folder_ / name);
    refused({"data.path=" + folder_ / "scene", "data.damaged=refuse"}, words);
    folder_.write(name, picture());
  }
};

TEST_F(BadInput, TheSceneItselfIsGood) {
  const Outcome o = run_lact({"train", config_, "run.dir=" + folder_ / "run", "data.path=" + folder_ / "scene"});
  EXPECT_EQ(o.status, 0) << o.err;
}

TEST_F(BadInput, SceneLists) {
  const std::string formats =
      "data.path takes a scene folder with opencv_cameras.json, such a camera file, or an index";
  refused_data(folder_ / "none", {folder_ / "none", "no such file", formats});
  fs::create_directories(folder_ / "empty");
  refused_data(folder_ / "empty", {folder_ / "empty", "opencv_cameras.json", formats});
  refused_data(folder_ / "scene/p0.png", {folder_ / "scene/p0.png", formats});
  refused_data(folder_.write("notes.txt", "some words"), {folder_ / "notes.txt", formats});
  refused_data(folder_.write("object.json", "{\"frames\": []}"), {folder_ / "object.json", formats});
  refused_list("", {});
  refused_list("[]", {"empty"});
  refused_list("[1, 2", {"line 1"});
  refused_list("[{\"fx\": 1,}]", {"line 1"});
  refused_list(cameras() + " x", {"line 1"});
  refused_list(std::string(100000, '['), {"deeper"});
  refused_list("[3]", {});
  fs::resize_file(list_, (64 << 20) + 1);
  refused_data(folder_ / "scene", {list_, "67108864"});
}

TEST_F(BadInput, AConfigForPhotographsWithoutThem) {
  for (const std::string name : {"character_64", "objects_256"})
    expect_refused(folder_.path(), {"train", "configs/nvs/" + name + ".yaml", "run.dir=" + folder_ / "run"},
                   {"no such file or folder", "data.path takes a scene folder"});
}

TEST_F(BadInput, Indices) {
  auto index = [&](const std::string& text) { return folder_.write("index.json", text); };
  refused_data(index("[\"scene/opencv_cameras.json\", \"gone/opencv_cameras.json\"]"),
               {folder_ / "gone/opencv_cameras.json"});
  refused_data(index("[\"scene/opencv_cameras.json\", 3]"), {folder_ / "index.json", "[1]"});
  refused_data(index("[\"\"]"), {folder_ / "index.json", "[0]"});
  refused_data(index("[\"scene\"]"), {folder_ / "scene"});
}

TEST_F(BadInput, Cameras) {
  refused_list(cameras(camera(3, "fx", "NaN")), {"line 1"});
  refused_list(cameras(camera(3, "fx", "null")), {"[3].fx"});
  refused_list(cameras(camera(3, "fx", "1e300")), {"[3].fx", "1e+300"});
  refused_list(cameras(camera(3, "cx", "1e999")), {"line 1"});
  refused_list(cameras(camera(3, "cy", "\"8\"")), {"[3].cy"});
  refused_list(cameras(camera(3, "fx", "0")), {"[3].fx", "positive"});
  refused_list(cameras(camera(3, "fy", "-20")), {"[3].fy", "-20"});
  for (const std::string key : {"fx", "fy", "cx", "cy", "w2c", "file_path"})
    refused_list(cameras(camera(3, key, "")), {"[3]." + key, "missing"});
  auto w2c = [&](const std::string& rows) { return cameras(camera(3, "w2c", rows)); };
  refused_list(w2c("[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 1]]"), {"[3].w2c", "inverse"});
  refused_list(w2c("[[1, 2, 3, 0], [2, 4, 6, 0], [0, 0, 1, 2], [0, 0, 0, 1]]"), {"[3].w2c", "inverse"});
  refused_list(w2c("[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2]]"), {"[3].w2c", "3 rows"});
  refused_list(w2c("[[1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]"), {"[3].w2c[0]"});
  refused_list(w2c("[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 1, 1]]"), {"[3].w2c[3][2]"});
  refused_list(w2c("[[1, 0, 0, 0], [0, 1, null, 0], [0, 0, 1, 2], [0, 0, 0, 1]]"), {"[3].w2c[1][2]"});
  refused_list(w2c("3"), {"[3].w2c"});
  for (const std::string path : {"../p3.png", "a/../../p3.png", "/etc/hostname", ""})
    refused_list(cameras(camera(3, "file_path", "\"" + path + "\"")), {"[3].file_path"});
}

TEST_F(BadInput, Pictures) {
  for (int view : {3, 7}) {  // of a training sample; held out
    refused_picture(picture().substr(0, 400), {"cut off"}, view);
    refused_picture("", {"empty"}, view);
  }
  refused_picture(TinyPng{.width = 0, .height = 16}.bytes(), {"0 x 16"});
  refused_picture(TinyPng{.width = 65536, .height = 1}.bytes(), {"65536 x 1"});
  refused_picture(TinyPng{.width = 65535, .height = 65535}.bytes(), {"65535 x 65535"});
  refused_picture("some words", {"neither a PNG nor a JPEG"});
  refused_picture("\xff\xd8\xff\xe0 and no more", {});
  fs::remove(folder_ / "scene/p3.png");
  refused_data(folder_ / "scene", {folder_ / "scene/p3.png", "no such picture"});
  fs::create_directory(folder_ / "scene/p3.png");
  refused_data(folder_ / "scene", {folder_ / "scene/p3.png", "not a file"});
}

TEST_F(BadInput, APictureDamagedInTheMiddleOfTheFirstSamples) {
  for (int v = 0; v < 6; ++v) {
    std::string bytes = picture();
    bytes[bytes.size() / 2] = char(bytes[bytes.size() / 2] ^ 1);
    folder_.write("scene/p" + std::to_string(v) + ".png", bytes);
  }
  refused_data(folder_ / "scene", {folder_ / "scene/p", "damaged"});
}

TEST_F(BadInput, FewerViewsThanAsked) {
  const std::string scene = "data.path=" + folder_ / "scene";
  for (const std::string& path : {scene, std::string("data.path=")}) {
    refused({path, "data.num_all_views=7"}, {"6 views", "data.num_all_views"});
    refused({path, "data.num_input_views=5"}, {"data.num_all_views is 4", "data.num_input_views"});
    refused({path, "data.num_target_views=5"}, {"data.num_all_views is 4", "data.num_target_views"});
    refused({path, "data.held_out=[6, 8]"}, {"data.held_out", "view 8", "8 views"});
    refused({path, "data.held_out=[6, 6]"}, {"data.held_out", "6 twice"});
    refused({path, "data.held_out=[-1]"}, {"data.held_out", "-1"});
    refused({path, "data.held_out=[0, 1, 2, 3, 4]"}, {"3 views", "data.num_all_views"});
    refused({path, "data.eval_inputs=[0, 6]"}, {"data.eval_inputs", "view 6", "data.held_out"});
    refused({path, "data.eval_inputs=[0, 9]"}, {"data.eval_inputs", "view 9"});
    refused({path, "data.held_out_scenes=[2]"}, {"data.held_out_scenes", "2"});
  }
  refused({scene, "data.held_out_scenes=[0]"}, {"data.held_out_scenes", "none of 1"});
  refused({"data.num_input_views=0"}, {"data.num_input_views is 0"});
  refused({"data.num_target_views=-1"}, {"data.num_target_views is -1"});
  refused({"data.synthetic.scenes=0"}, {"data.synthetic.scenes"});
  refused({"data.synthetic.views=0"}, {"data.synthetic.views"});
}

TEST_F(BadInput, KeysOfAConfig) {
  refused({"train.stpes=3"}, {"train.stpes", "did you mean 'train.steps'?"});
  refused({"steps=3"}, {"'steps'", "did you mean 'train.steps'?"});
  refused({"data.imagesize=[16, 16]"}, {"did you mean 'data.image_size'?"});
  refused({"model.block_config.0.params.headdim=16"}, {"headdim", "head_dim"});
  refused({"zzzzzzzzzzzz=1"}, {"zzzzzzzzzzzz"});
  refused({"train=3"}, {"train", "section"});
  refused({"words"}, {"'words'", "key=value"});
  const std::string file = folder_ / "bad.yaml";
  auto refused_file = [&](const std::string& text, Words words) {
    folder_.write("bad.yaml", text);
    words.push_back(file);
    expect_refused(folder_.path(), {"train", file, "run.dir=" + folder_ / "run"}, words);
  };
  refused_file("train: {stepz: 3}", {"train.stepz", "did you mean 'train.steps'?"});
  refused_file("train: {steps: 3, steps: 4}", {"'steps'", "twice"});
  refused_file("train: [3]", {"train"});
  refused_file("- 1\n- 2\n", {"key: value"});
  refused_file("train: {steps: 3", {"line"});
  refused_file("\tmodel:\n", {"line"});
  refused_file(std::string(5 << 20, ' '), {"bytes"});
  expect_refused(folder_.path(), {"train", "/dev/zero"}, {"/dev/zero"});
  expect_refused(folder_.path(), {"train", folder_ / "none.yaml"}, {folder_ / "none.yaml"});
  expect_refused(folder_.path(), {"train", folder_ / "scene"}, {folder_ / "scene"});
  refused({"model.file=" + folder_ / "none.yaml"}, {folder_ / "none.yaml"});
}

TEST_F(BadInput, TypesOfValues) {
  for (const std::string pair : {"train.steps=many", "train.steps=1.5", "train.steps=99999999999999999999",
                                 "train.lr=fast", "train.deterministic=perhaps", "data.image_size=64",
                                 "data.image_size=[a, b]", "train.seed=[1]", "model.block_config=3"})
    refused({pair}, {pair.substr(0, pair.find('=')), "wants"});
}

TEST_F(BadInput, ImpossibleValues) {
  const std::vector<std::pair<std::string, Words>> cases = {
      {"model.dim=24", {"model.dim=24", "head_dim=16"}},
      {"data.image_size=[20, 16]", {"20 x 16", "model.patch_size=8"}},
      {"data.image_size=[16]", {"data.image_size"}},
      {"data.image_size=[0, 16]", {"data.image_size", "0"}},
      {"model.patch_size=0", {"model.patch_size=0"}},
      {"model.dim=-16", {"model.dim=-16"}},
      {"model.layers=0", {"model.layers=0"}},
      {"model.block_config.0.type=Attention", {"'Attention'", "model.SelfAttention"}},
      {"model.block_config.1.length_dim=l", {"length_dim"}},
      {"model.block_config.0.params.head_dim=0", {"head_dim=0"}},
      {"model.block_config.1.params.inter_multi=-1", {"inter_multi=-1"}},
      {"train.steps=0", {"train.steps=0"}},
      {"train.batch_size=0", {"train.batch_size=0"}},
      {"train.batch_size=9223372036854775807", {"train.batch_size=9223372036854775807"}},
      {"train.steps=9223372036854775807", {"train.steps=9223372036854775807"}},
      {"model.block_config.1.params.muon_update_steps=-1", {"muon_update_steps=-1"}},
      {"model.block_config.1.params.base_lr=0", {"base_lr=0"}},
      {"train.batch_size=3", {"train.batch_size=3", "train.accumulate=2"}},
      {"train.accumulate=-1", {"train.accumulate=-1"}},
      {"train.lr=-1", {"train.lr=-1"}},
      {"train.lr=nan", {"train.lr=nan"}},
      {"train.lr=inf", {"train.lr=inf"}},
      {"train.weight_decay=inf", {"train.weight_decay=inf"}},
      {"train.eps=inf", {"train.eps=inf"}},
      {"train.beta2=1", {"train.beta2=1"}},
      {"train.warmup=-1", {"train.warmup=-1"}},
      {"train.grad_clip=-1", {"train.grad_clip=-1"}},
      {"train.max_skipped=0", {"train.max_skipped=0"}},
      {"train.keep_checkpoints=0", {"train.keep_checkpoints=0"}},
      {"train.eval_every=-1", {"train.eval_every"}},
      {"train.precision=fp64", {"train.precision=fp64"}},
      {"train.seed=-1", {"train.seed=-1"}},
      {"compute.device=tpu", {"compute.device=tpu"}},
      {"compute.threads=-1", {"compute.threads=-1"}},
      {"data.threads=1000", {"data.threads"}},
      {"parallel.dp=2", {"parallel.", "dp=2", "2 ranks"}},
      {"parallel.tp=3", {"parallel.", "tp=3"}},
      {"parallel.cp=-1", {"parallel", "-1"}},
      {"parallel.pp=4294967297", {"parallel", "4294967297"}},
  };
  for (const auto& [pair, words] : cases) refused({pair}, words);
  refused({"parallel.pp=32768", "parallel.cp=32768", "parallel.tp=4"}, {"parallel.pp=32768"});  // 2^32 ranks
  refused({"run.dir=" + config_}, {"run.dir=" + config_});
}

TEST_F(BadInput, CommandLines) {
  const std::vector<Words> wrong = {{},
                                    {"fly"},
                                    {"train"},
                                    {"train", config_, "--fast"},
                                    {"eval"},
                                    {"render"},
                                    {"render", "a", "b"},
                                    {"convert"},
                                    {"convert", "weights"},
                                    {"convert", "weights", "a"},
                                    {"inspect"},
                                    {"convert", "synthetic"},
                                    {"convert", "fly"},
                                    {"verify"},
                                    {"verify", "fly"},
                                    {"eval", "train.seed=1"},
                                    {"convert", "weights", "a", "train.seed=1"},
                                    {"eval", "a", "--above-baselines"}};
  for (const Words& arguments : wrong) {
    const Outcome o = run_lact(arguments);
    std::string line;
    for (const std::string& a : arguments) line += a + " ";
    EXPECT_EQ(o.status, 2) << line << o.err;
    EXPECT_EQ(o.out, "") << line;
    EXPECT_NE(o.err, "") << line;
  }
}

TEST_F(BadInput, HelpIsEverywhereAndHasTwoExamples) {
  for (const Words& command : std::vector<Words>{{},
                                                 {"train"},
                                                 {"eval"},
                                                 {"render"},
                                                 {"profile"},
                                                 {"plan"},
                                                 {"verify"},
                                                 {"verify", "golden"},
                                                 {"verify", "layouts"},
                                                 {"convert"},
                                                 {"convert", "weights"},
                                                 {"convert", "synthetic"},
                                                 {"inspect"},
                                                 {"bench"},
                                                 {"bench", "train"},
                                                 {"bench", "gemm"},
                                                 {"bench", "fast_weights"},
                                                 {"bench", "newton_schulz"},
                                                 {"bench", "attention"},
                                                 {"bench", "copy"},
                                                 {"bench", "comm"}}) {
    Words arguments = command;
    arguments.push_back("--help");
    const Outcome o = run_lact(arguments);
    EXPECT_EQ(o.status, 0) << o.err;
    const std::string example = "lact " + (command.empty() ? "train" : command[0]);
    const std::size_t first = o.out.find("example: "), second = o.out.find("\nexample: ", first + 1);
    ASSERT_NE(second, std::string::npos) << o.out;
    EXPECT_NE(o.out.find(example, first), std::string::npos) << o.out;
    EXPECT_EQ(o.out.find("\nexample: ", second + 1), std::string::npos) << o.out;
    EXPECT_NE(o.out.substr(first, second - first), o.out.substr(second + 1, o.out.find('\n', second + 1) - second - 1));
  }
  for (const std::string example : {"example: lact train ", "example: lact eval ", "example: lact render ",
                                    "example: lact verify ", "example: lact convert ", "example: lact inspect "}) {
    const std::string command = example.substr(14, example.size() - 15);
    EXPECT_NE(run_lact({command, "--help"}).out.find(example), std::string::npos) << example;
  }
}

TEST_F(BadInput, HelpGroupsCommandsAndShowsDefaults) {
  const std::string all = run_lact({"--help"}).out;
  std::size_t at = 0;
  for (const std::string line : {"\nTrain and evaluate:\n  train ", "\n  eval ", "\nLook at:\n  render ",
                                 "\n  inspect ", "\nPlan and measure:\n  plan ", "\n  profile ", "\nProve:\n  verify ",
                                 "\nData and weights:\n  convert ", "\nBench:\n  bench "}) {
    EXPECT_GT(all.find(line), at) << line << all;
    at = all.find(line);
  }
  auto shows = [](const Words& command, const std::string& key, const std::string& otherwise) {
    Words arguments = command;
    arguments.push_back("--help");
    std::istringstream out(run_lact(arguments).out);
    std::string name, value, shown;
    for (std::string line; std::getline(out, line);)
      if (std::istringstream words(line); words >> name >> value && name == key) shown = value;
    EXPECT_EQ(shown, otherwise) << key;
  };
  shows({"train"}, "train.steps", "80000"), shows({"train"}, "parallel.cp", "1");
  shows({"profile"}, "pairs", "9"), shows({"profile"}, "scale", "cp");
  shows({"plan"}, "ranks", "1"), shows({"verify", "layouts"}, "ranks", "8");
  shows({"convert", "synthetic"}, "data.synthetic.scenes", "8");
  shows({"bench", "newton_schulz"}, "m", "768"), shows({"bench", "comm"}, "seconds", "0.2");
}

TEST_F(BadInput, HelpKnowsTheKeysOfAConfig) {
  EXPECT_NE(run_lact({"train", "--help"}).out.find(" [config] [key=value...]\n"), std::string::npos);
  const Outcome keys = run_lact({"train", "--help-config"});
  EXPECT_EQ(keys.status, 0);
  for (const std::string key :
       {"data.path", "run.dir", "train.steps", "train.seed", "train.precision", "train.deterministic",
        "train.eval_every", "train.checkpoint_every", "train.keep_checkpoints", "compute.device", "compute.threads",
        "parallel.pp", "parallel.dp", "parallel.cp", "parallel.tp", "parallel.timeout", "parallel.io_timeout",
        "model.file"})
    EXPECT_NE(keys.out.find(key + " "), std::string::npos) << key;
}

TEST_F(BadInput, PlacesThatAreNoRunsFilesOrFolders) {
  for (const Words& command : std::vector<Words>{{"eval", folder_ / "none"},
                                                 {"render", folder_ / "none"},
                                                 {"inspect", folder_ / "none"},
                                                 {"eval", folder_ / "scene"},
                                                 {"render", folder_ / "scene"},
                                                 {"convert", "weights", folder_ / "none", folder_ / "out.safetensors"},
                                                 {"convert", "weights", folder_ / "scene", folder_ / "out.safetensors"},
                                                 {"verify", "golden", folder_ / "none"},
                                                 {"inspect", config_}})
    expect_refused(
        folder_.path(), command,
        {command[0] == "convert" || command[0] == "verify" ? command[command.size() - 2 + (command[0] == "verify")]
                                                           : command[1]});
  expect_refused(folder_.path(), {"convert", "synthetic", folder_ / "new", "data.synthetic.scenes=0"},
                 {"data.synthetic.scenes"});
  expect_refused(folder_.path(), {"convert", "synthetic", folder_ / "new", "data.synthetic.scenez=1"},
                 {"data.synthetic.scenes"});
  expect_refused(folder_.path(), {"convert", "synthetic", config_, "data.synthetic.scenes=1"}, {config_});
}

}  // namespace
}  // namespace lact
