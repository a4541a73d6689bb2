// A scene folder of small pictures of stripes, each another grey.
#pragma once
#include <filesystem>
#include <string>

#include "files/whole_file.hpp"
#include "support/tiny_png.hpp"

namespace lact {

inline std::string tiny_picture(int view, int shade = 0, bool whole = true) {
  TinyPng png{.width = 16, .height = 16};
  for (int y = 0; y < 16; ++y) png.rows.push_back(std::string(48, char(10 * y + 9 * view + shade)));
  std::string bytes = png.bytes();
  if (!whole) bytes[bytes.size() / 2] = char(bytes[bytes.size() / 2] ^ 1);  // ends as it should
  return bytes;
}

// p0.png, p1.png, ... and their cameras.
inline void write_tiny_scene(const std::string& folder, int views, int shade = 0) {
  std::filesystem::create_directories(folder);
  std::string list;
  for (int v = 0; v < views; ++v) {
    const std::string name = "p" + std::to_string(v) + ".png";
    write_whole(folder + "/" + name, tiny_picture(v, shade));
    list += (list.empty() ? "[" : ", ") + std::string(R"({"fx": 20, "fy": 20, "cx": 8, "cy": 8, "file_path": ")") +
            name + R"(", "w2c": [[1, 0, 0, )" + std::to_string(v) + "], [0, 1, 0, 0], [0, 0, 1, 2.7], [0, 0, 0, 1]]}";
  }
  write_whole(folder + "/opencv_cameras.json", list + "]");
}

}  // namespace lact
