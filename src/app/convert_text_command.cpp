#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/slow.hpp"
#include "data/text/pack.hpp"

namespace lact {

std::string text_keys() {
  PackConfig cfg;
  return describe(Fields::of(cfg));
}

int convert_text_command(const Arguments& args) {
  const std::string& out = args.plain[0];
  PackConfig cfg;
  const Fields fields = Fields::of(cfg);
  for (const std::string& o : args.overrides) apply_override(fields, o);
  Slow slow("KiB of " + cfg.path);
  const Packed p = pack_text(cfg, out, [&](std::int64_t done, std::int64_t all) { slow.at(done >> 10, all >> 10); });
  std::cout << fill("{}: {} shards, {} documents, {} tokens of {:.2f} bytes{}\n",
                    {out, p.shards, p.documents, p.tokens, double(p.text_bytes) / double(p.tokens),
                     p.was_complete ? "; it was complete" : ""});
  return exit_done;
}

}  // namespace lact
