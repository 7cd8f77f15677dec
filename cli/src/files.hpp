// Whole small files in and out, and the one edit that rendered configuration needs.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel {

// NotFound, with the path.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

// Makes the folders above it. Unavailable, with the path.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view text);

void replace_all(std::string& text, std::string_view from, std::string_view to);

struct Replacement {
  std::string from, to;
};

// Writes the files of one folder that end in `extension` (`.yml`) to another folder, which holds
// nothing else afterwards, with all replacements made. NotFound if there are none; other errors
// name the file.
[[nodiscard]] Result<void> render_folder(const std::filesystem::path& from,
                                         std::string_view extension,
                                         const std::filesystem::path& to,
                                         const std::vector<Replacement>& replacements);

}  // namespace umbel
