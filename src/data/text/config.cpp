#include "data/text/config.hpp"

#include "base/check.hpp"
#include "data/text/documents.hpp"

namespace lact {

void check_text(const TextConfig& c) {
  check(c.context >= 1 && c.context <= std::int64_t(1) << 28, "data.context is {}; a sample has 1 to {} tokens",
        c.context, std::int64_t(1) << 28);
  check_documents(c.documents, "data.documents");
  check(c.held_out >= 0 && c.held_out < 1, "data.held_out is {}; a share is at least 0 and below 1", c.held_out);
  check(c.threads >= 0 && c.threads <= 256, "data.threads is {}; between 0 and 256 threads can prepare samples",
        c.threads);
  const GeneratedTextConfig& g = c.generated;
  check(g.words >= 2 && g.words <= 4096, "data.generated.words is {}; a generated language has 2 to 4096 words",
        g.words);
  check(g.facts >= 0 && g.facts <= 32, "data.generated.facts is {}; there is room for 0 to 32 in 1024 tokens", g.facts);
  check(g.held_out >= 0 && g.held_out <= 1 << 20, "data.generated.held_out is {}, not a sensible number of samples",
        g.held_out);
}

}  // namespace lact
