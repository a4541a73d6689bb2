#pragma once

namespace lact {

// Two lines: version, commit of the sources and kind of build; and what it was built with. Defined in a file that the
// build writes from version.cpp.in, whenever the commit is another one.
extern const char* const version_text;

}  // namespace lact
