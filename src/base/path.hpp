// Texts that name files and folders.
#pragma once
#include <string>

namespace lact {

// As a field of a config it is read with its home directory, stored and compared by its place, and otherwise the text
// that the user wrote.
struct Path : std::string {
  using std::string::string;
  using std::string::operator=;
  Path(std::string text) : std::string(std::move(text)) {}
  // Absolute and without detours, so that it means the same from any folder; "" stays.
  std::string place() const;
};

// "~", "~/x" and "~user/x" begin with a home directory, as in a shell: $HOME, else what the system says of the user.
// Any other text is what it is. Where there is no such home the error begins with `key`.
Path at_home(const std::string& text, const std::string& key);

}  // namespace lact
