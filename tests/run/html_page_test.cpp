// Pages that need no other file, and timelines that nest.
#include "run/html_page.hpp"

#include <gtest/gtest.h>

#include "files/json.hpp"

namespace lact {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

std::vector<Track> two_ranks() {
  const Span step{"step", "step 1", 1.0, 2.0, 0, false}, wait{"wait", "wait <cp>", 1.25, 1.5, 0, false},
      flight{"collective", "cp all_gather", 1.125, 1.5, 4096, true};
  return {{"rank 0", {wait, step, flight}}, {"rank 1", {step}}};
}

TEST(HtmlPage, NeedsNoOtherFile) {
  HtmlPage page("a <title> & more");
  page.heading("numbers");
  page.paragraph("1 < 2");
  page.table({"a", "b"}, {{"1", "2"}, {"3", "<4>"}});
  page.bars({{"first", {{"x", 1}, {"y", 2}}}, {"second", {{"x", 3}}}}, "ms");
  page.charts({{"", {"x"}, {"y"}, {{"curve", {1, 2, 3}, {-1, 5, 2}}}}});
  page.timeline(two_ranks());
  const std::string text = page.text();
  for (const std::string outside : {"http", "src=", "href", "url(", "<script", "<link", "@import"})
    EXPECT_EQ(text.find(outside), std::string::npos) << outside;
  EXPECT_NE(text.find("<h1>a &lt;title&gt; &amp; more</h1>"), std::string::npos);
  EXPECT_NE(text.find("<td>&lt;4&gt;</td>"), std::string::npos);
  EXPECT_EQ(count(text, "<svg"), 3u);
  EXPECT_EQ(count(text, "</svg>"), 3u);
  EXPECT_EQ(count(text, "<rect"), 3u + 3u) << "parts of bars, and spans that nest";
  EXPECT_EQ(count(text, "<circle"), 3u);
  EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST(HtmlPage, DrawsNothingOfNothing) {
  HtmlPage page("empty");
  page.bars({}, "ms");
  page.charts({{"", {"x"}, {"y"}, {{"flat", {1, 2}, {0, 0}}, {"no points", {}, {}}}}, {"none", {"x"}, {"y"}, {}}});
  page.timeline({});
  EXPECT_EQ(page.text().find("nan"), std::string::npos);
  EXPECT_EQ(page.text().find("inf"), std::string::npos);
}

TEST(ChromeTrace, NamesTracksAndOrdersOuterSpansFirst) {
  const Json trace = Json::parse(chrome_trace(two_ranks()), "trace");
  std::vector<Json> complete, begun, ended;
  std::vector<std::string> tracks;
  for (const Json& e : trace["traceEvents"].items()) {
    const std::string phase = e["ph"].text();
    if (phase == "X") complete.push_back(e);
    if (phase == "b") begun.push_back(e);
    if (phase == "e") ended.push_back(e);
    if (phase == "M" && e["name"].text() == "process_name") tracks.push_back(e["args"]["name"].text());
  }
  EXPECT_EQ(tracks, (std::vector<std::string>{"rank 0", "rank 1"}));
  ASSERT_EQ(complete.size(), 3u);
  EXPECT_EQ(complete[0]["name"].text(), "step 1");
  EXPECT_EQ(complete[0]["ts"].number(), 1e6);
  EXPECT_EQ(complete[0]["dur"].number(), 1e6);
  EXPECT_EQ(complete[1]["name"].text(), "wait <cp>");
  EXPECT_EQ(complete[2]["pid"].integer(), 1);
  ASSERT_EQ(begun.size(), 1u);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(begun[0]["id"].integer(), ended[0]["id"].integer());
  EXPECT_EQ(begun[0]["args"]["bytes"].integer(), 4096);
  EXPECT_EQ(ended[0]["ts"].number() - begun[0]["ts"].number(), 375000);
}

}  // namespace
}  // namespace lact
