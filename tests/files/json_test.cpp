#include "files/json.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

constexpr std::string_view accepted = "no error";

std::string refusal(const std::string& text) {
  return sentence_of([&] { Json::parse(text, "scene.json"); });
}

std::string repeated(const std::string& s, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += s;
  return out;
}

TEST(Json, ReadsEveryKind) {
  Json j = Json::parse(R"( {"a": [1, -2.5, 1e3], "b": {"deep": true}, "c": null, "d": "\u00e9\n"} )", "x");
  EXPECT_EQ(j.size(), 4);
  EXPECT_EQ(j["a"].at(0).integer(), 1);
  EXPECT_EQ(j["a"].at(1).number(), -2.5);
  EXPECT_EQ(j["a"].at(2).number(), 1000);
  EXPECT_TRUE(j["b"]["deep"].boolean());
  EXPECT_TRUE(j["c"].is_null());
  EXPECT_EQ(j["d"].text(), "\xc3\xa9\n");
  EXPECT_TRUE(j.has("d"));
  EXPECT_FALSE(j.has("e"));
  EXPECT_TRUE(Json::parse("[]", "x").items().empty());
  EXPECT_TRUE(Json::parse("{}", "x").members().empty());
}

TEST(Json, MembersKeepTheOrderOfTheText) {
  std::string keys;
  for (const auto& [k, v] : Json::parse(R"({"z": 1, "a": 2, "m": 3})", "x").members()) keys += k;
  EXPECT_EQ(keys, "zam");
}

TEST(Json, AMissingOrWrongValueIsNamedByItsPath) {
  Json j = Json::parse(R"([{"fx": 1}, {"fx": "wide", "w2c": [[1, 2]], "h": 1.5, "on": 1}])", "scene.json");
  EXPECT_EQ(sentence_of([&] { j.at(0)["fy"]; }), "scene.json: [0].fy is missing");
  EXPECT_EQ(sentence_of([&] { j.at(1)["fx"].number(); }), "scene.json: [1].fx wants a number, not text");
  EXPECT_EQ(sentence_of([&] { j.at(1)["h"].integer(); }), "scene.json: [1].h wants an integer, not a number");
  EXPECT_EQ(sentence_of([&] { j.at(1)["on"].boolean(); }), "scene.json: [1].on wants true or false, not an integer");
  EXPECT_EQ(sentence_of([&] { j.at(1)["w2c"].at(0).at(2); }),
            "scene.json: [1].w2c[0][2] is missing: the list has 2 items");
  EXPECT_EQ(sentence_of([&] { j.at(1)["w2c"].text(); }), "scene.json: [1].w2c wants text, not a list");
  EXPECT_EQ(sentence_of([&] { j.at(1)["h"].size(); }), "scene.json: [1].h wants a list, not a number");
  EXPECT_EQ(sentence_of([&] { j["fx"]; }), "scene.json: the top level wants an object, not a list");
  EXPECT_EQ(sentence_of([&] { j.at(-1); }), "scene.json: [-1] is missing: the list has 2 items");
  EXPECT_EQ(j.items()[1].members()[0].second.where(), "scene.json: [1].fx");
}

TEST(Json, APartOutlivesTheWhole) {
  Json part = Json::parse(R"({"a": {"b": "still here"}})", "x")["a"];
  EXPECT_EQ(part["b"].text(), "still here");
  EXPECT_EQ(sentence_of([&] { part["c"]; }), "x: a.c is missing");
}

TEST(Json, TextThatIsNotJsonIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal("[1,\n 2,, 3]").substr(0, 32), "scene.json: line 2, column 4: sy");
  for (const char* text : {"", "   ", "{", "[1, 2", "[1,]", "{\"a\" 1}", "{a: 1}", "[01]", "[1.]", "[+1]", "[0x1]",
                           "'a'", "\"\x01\"", "\"\xff\"", "\"\\ud800\"", "nul", "// c\n1", "{\"a\":1,}"})
    EXPECT_TRUE(refusal(text).starts_with("scene.json: line 1, column ")) << text << " gave " << refusal(text);
}

TEST(Json, NothingMayFollowTheValue) {
  EXPECT_TRUE(refusal("{} x").starts_with("scene.json: line 1, column 4"));
  EXPECT_TRUE(refusal("1 2").starts_with("scene.json: line 1, column 3"));
  EXPECT_EQ(refusal(std::string("[]\0x", 4)), "scene.json: is not JSON: it holds a zero byte");
  EXPECT_EQ(refusal("[] \n\t"), accepted);
}

TEST(Json, NumbersThatAreNotNumbersAreRefused) {
  for (const char* text : {"NaN", "[nan]", "[Infinity]", "[-Infinity]", "[inf]", "[1e999]", "[-1e999]"})
    EXPECT_NE(refusal(text), accepted) << text;
}

TEST(Json, RepeatedKeysAreRefused) {
  EXPECT_EQ(refusal(R"([{"fx": 1, "fy": 2, "fx": 3}])"), "scene.json: the key 'fx' stands twice in one object");
  EXPECT_EQ(refusal(R"([{"fx": 1}, {"fx": 2}])"), accepted);
  EXPECT_NE(refusal(R"({"a": 1, "\u0061": 2})"), accepted);
}

// Looking at every other key for each took four minutes here.
TEST(Json, ManyKeysTakeNoSquareOfTheTime) {
  const int keys = 300000;
  std::string text;
  for (int i = 0; i < keys; ++i) text += (i == 0 ? "{\"" : ",\"") + std::to_string(i) + "\":" + std::to_string(i);
  const auto begin = std::chrono::steady_clock::now();
  const Json read = Json::parse(text + "}", "x");
  Json copy = Json::object();
  for (const auto& [key, value] : read.members()) copy.set(key, value);
  std::int64_t sum = 0;
  for (int i = 0; i < keys; ++i) sum += copy[std::to_string(i)].integer();
  EXPECT_EQ(sum, std::int64_t(keys) * (keys - 1) / 2);
  copy.set("7", "other");
  EXPECT_EQ(copy["7"].text(), "other");
  EXPECT_EQ(copy.size(), keys);
  EXPECT_EQ(copy.members()[8].first, "8");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_EQ(refusal(text + ",\"299\":0}"), "scene.json: the key '299' stands twice in one object");
}

TEST(Json, DepthAndSizeHaveLimits) {
  EXPECT_EQ(refusal(repeated("[", 64) + repeated("]", 64)), accepted);
  EXPECT_EQ(refusal(repeated("[", 65) + repeated("]", 65)), "scene.json: nested deeper than 64");
  EXPECT_EQ(refusal(repeated("{\"a\":", 65)), "scene.json: nested deeper than 64");
  EXPECT_EQ(refusal(repeated("[", 1000000)), "scene.json: nested deeper than 64");
  EXPECT_EQ(sentence_of([] { Json::parse("[1, 2]", "x", 5); }), "x: 6 bytes of JSON are more than 5");
  std::string many = "[0";
  for (std::int64_t i = 0; i < Json::max_values; ++i) many += ",0";
  EXPECT_EQ(refusal(many + "]"), "scene.json: more than 8388608 values");
}

TEST(Json, LongTokensDoNotFloodTheError) {
  EXPECT_LT(refusal("\"" + repeated("a", 100000)).size(), 400u);
  EXPECT_LT(refusal("{\"" + repeated("k", 100000) + "\": 1, \"" + repeated("k", 100000) + "\": 1}").size(), 400u);
}

TEST(Json, FilesAreReadAndNamed) {
  TemporaryFolder folder;
  std::string path = folder.write("a.json", R"({"w": 3})");
  EXPECT_EQ(Json::read(path)["w"].integer(), 3);
  EXPECT_EQ(sentence_of([&] { Json::read(path)["h"]; }), path + ": h is missing");
  EXPECT_EQ(sentence_of([&] { Json::read(path, 7); }), path + ": larger than 7 bytes");
  EXPECT_EQ(sentence_of([&] { Json::read(folder / "b.json"); }),
            folder / "b.json" + ": cannot be read (No such file or directory)");
  EXPECT_EQ(sentence_of([&] { Json::read(folder.path()); }), folder.path() + ": is not a file");
}

TEST(Json, IntegersOf64BitsStayExact) {
  std::string text = "[9223372036854775807, -9223372036854775808, 18446744073709551615, 9007199254740993]";
  Json j = Json::parse(text, "x");
  EXPECT_EQ(j.at(0).integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(j.at(1).integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(j.at(3).integer(), 9007199254740993);
  EXPECT_EQ(sentence_of([&] { j.at(2).integer(); }), "x: [2] is 18446744073709551615, too large for an integer");
  EXPECT_EQ(j.dump(), text);
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()).dump(), "18446744073709551615");
  EXPECT_FALSE(Json::parse("18446744073709551616", "x").is_integer());  // beyond 64 bits it is only a number
}

TEST(Json, DoublesComeBackToTheLastBitInFewDigits) {
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(3.0).dump(), "3.0");
  EXPECT_EQ(Json(1e300).dump(), "1e+300");
  EXPECT_EQ(Json(0.1f).dump(), "0.10000000149011612");
  std::mt19937_64 bits(7);
  for (int i = 0; i < 20000; ++i) {
    double x = std::bit_cast<double>(bits());
    if (!std::isfinite(x)) continue;
    double y = Json::parse(Json(x).dump(), "x").number();
    ASSERT_EQ(std::bit_cast<std::uint64_t>(x), std::bit_cast<std::uint64_t>(y)) << Json(x).dump();
  }
  EXPECT_TRUE(std::signbit(Json::parse(Json(-0.0).dump(), "x").number()));
}

TEST(Json, NumbersThatAreNotFiniteAreWrittenAsNull) {
  EXPECT_EQ(Json::array({std::nan(""), std::numeric_limits<double>::infinity(), -HUGE_VAL}).dump(),
            "[null, null, null]");
}

TEST(Json, BuildsAndChanges) {
  Json row = Json::object();
  row.set("step", 3).set("loss", 0.25).set("name", "a\"b\n").set("ok", true).set("none", Json());
  row.set("step", 4);  // in place
  Json list = Json::array({1, 2});
  list.push(Json::object({{"x", 1u}}));
  row.set("list", list);
  EXPECT_EQ(row.dump(),
            R"({"step": 4, "loss": 0.25, "name": "a\"b\n", "ok": true, "none": null, "list": [1, 2, {"x": 1}]})");
  EXPECT_EQ(Json::parse(row.dump(), "x").dump(), row.dump());
  EXPECT_EQ(sentence_of([&] { Json::array().set("a", 1); }), "JSON: the top level wants an object, not a list");
}

TEST(Json, ACopyDoesNotSeeLaterChanges) {
  Json a = Json::object({{"x", 1}});
  Json b = a, part = a["x"];
  a.set("x", 2).set("y", 3);
  EXPECT_EQ(b.dump(), R"({"x": 1})");
  EXPECT_EQ(part.integer(), 1);
}

TEST(Json, BytesThatAreNotUtf8StillGiveJson) {
  EXPECT_EQ(Json::parse(Json("a\xff").dump(), "x").text(), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace lact
