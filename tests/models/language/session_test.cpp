// Sessions of every kind of layer: the state that is read goes on as the one that was written, on any layout; and what
// says it belongs here but does not is refused.
#include "models/language/session.hpp"

#include <filesystem>

#include "models/language/small_models.hpp"
#include "parallel/together.hpp"
#include "support/on_ranks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

const SessionOwner owner{"0123456789abcdef", "bytes", "small", 7};

struct WithModel : Built {
  LanguageModel model;
  WithModel(Mesh& m, const LanguageConfig& cfg) : Built(m), model(store, cfg) { lay_out(); }
  Ctx context() { return {nullptr, tested(), mesh}; }
};

// One file for all ranks, made and removed by the first.
class SharedFile {
 public:
  SharedFile() : path_(gathered(world(), folder_ / "a.session").front()) {}
  ~SharedFile() {
    together(world(), [] {});
  }  // nobody reads it any more
  const std::string& path() const { return path_; }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

TEST(Session, GoesOnAsTheStateThatWasWritten) {
  std::vector<LanguageConfig> all;
  for (const char* type : language_model_types) all.push_back(small_model(type));
  all.push_back(small_model("lact_swiglu"));
  all.back().lact.ttt_prenorm = true, all.back().lact.use_momentum = false, all.back().lact.window_size = 0;
  all.push_back(small_model("ttt"));
  all.back().window_beside = all.back().ttt.share_qk = all.back().pre_conv = true,
  all.back().ttt.ttt_layer_type = "mlp";
  for (const LanguageConfig& cfg : all) {
    for (const std::int64_t tokens : {3, 8, 12}) {  // within a chunk, at the end of a mini-batch, in the third chunk
      const std::string what = cfg.model_type + " behind " + std::to_string(tokens) + " tokens";
      const SharedFile file;
      Mesh mesh({{1, 1, 1, world().size()}}, with_transport(world(), Transport::best, "test")), alone = Mesh::alone();
      mesh.meet_on(tested());
      WithModel many(mesh, cfg), one(alone, cfg);
      Ctx c = many.context(), of_one = one.context();
      LanguageState state;
      many.model.advance(c, small_tokens(1, {0, tokens}), state);
      write_session(file.path(), many.model, c, {state, {4, 12}}, owner);
      Session again = read_session(file.path(), many.model, c, owner);
      Session elsewhere = read_session(file.path(), one.model, of_one, owner);
      EXPECT_EQ(again.pending, (std::vector<std::int32_t>{4, 12})) << what;
      EXPECT_EQ(again.state.position, tokens) << what;
      for (const Range r : {Range{tokens, tokens + 1}, {tokens + 1, tokens + 9}}) {
        const Tensor want = many.model.advance(c, small_tokens(1, r), state),
                     got = many.model.advance(c, small_tokens(1, r), again.state);
        EXPECT_EQ(got.to_doubles(), want.to_doubles()) << what;
        expect_close(one.model.advance(of_one, small_tokens(1, r), elsewhere.state), want, what);
      }
    }
  }
}

// What a model of `made` wrote, read by one of `wanted` under the same owner.
std::string refusal(const LanguageConfig& made, const LanguageConfig& wanted, std::int64_t lie = 0) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.session";
  Mesh alone = Mesh::alone();
  WithModel writer(alone, made), reader(alone, wanted);
  Ctx c = writer.context(), d = reader.context();
  LanguageState state;
  writer.model.advance(c, small_tokens(1, {0, 8}), state);
  std::vector<std::int32_t> pending{std::int32_t(lie)};
  write_session(file, writer.model, c, {state, pending}, owner);
  const std::string said = sentence_of([&] { read_session(file, reader.model, d, owner); });
  return said == "no error" || said.find(file) == said.npos ? "not refused: " + said : said;
}

TEST(Session, ThatLiesAboutItsModelIsRefused) {
  const LanguageConfig cfg = small_model("lact_swiglu");
  auto other = [&](auto change) {
    LanguageConfig changed = cfg;
    change(changed);
    return refusal(changed, cfg);
  };
  for (const std::string& said :
       {other([](LanguageConfig& c) { c.hidden_size = 48; }), other([](LanguageConfig& c) { c.lact.inter_multi = 2; }),
        other([](LanguageConfig& c) { c.num_hidden_layers = 3; }),
        other([](LanguageConfig& c) { c.num_hidden_layers = 1; }),
        other([](LanguageConfig& c) { c.lact.window_size = 3; }),
        other([](LanguageConfig& c) { c.lact.lact_chunk_size = 6; }),
        other([](LanguageConfig& c) { c.lact.ttt_prenorm = true; }),
        other([](LanguageConfig& c) { c.lact.num_lact_heads = 3; }),
        other([](LanguageConfig& c) { c.lact.num_attn_heads = 3; }),
        other([](LanguageConfig& c) { c.model_type = "mamba"; }), refusal(small_model("gla"), small_model("delta_net")),
        refusal(small_model("ttt"), small_model("mamba2")), refusal(cfg, cfg, 13), refusal(cfg, cfg, -1)})
    EXPECT_NE(said.find("is damaged"), std::string::npos) << said;
}

TEST(Session, OfAnotherOwnerIsRefused) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.session";
  Mesh alone = Mesh::alone();
  WithModel built(alone, small_model("mamba"));
  Ctx c = built.context();
  LanguageState state;
  built.model.advance(c, small_tokens(1, {0, 2}), state);
  write_session(file, built.model, c, {state, {1}}, owner);
  SessionOwner trained = owner, other_text = owner;
  trained.model = "fedcba9876543210", trained.step = 8, other_text.tokenizer = "letters";
  auto said = [&](const SessionOwner& o) { return sentence_of([&] { read_session(file, built.model, c, o); }); };
  EXPECT_NE(said(trained).find("belongs to another model (small at step 7) than this one (small at step 8)"),
            std::string::npos);
  EXPECT_NE(said(other_text).find("another tokenizer"), std::string::npos);
  EXPECT_EQ(said(owner), "no error");
  LanguageState two;
  const Tensor tokens = Tensor::of(tested(), {2, 1}, std::span<const std::int32_t>(std::vector<std::int32_t>{1, 2}));
  built.model.advance(c, tokens, two);
  EXPECT_THROW(write_session(file, built.model, c, {two, {}}, owner), Error);
}

}  // namespace
}  // namespace lact
