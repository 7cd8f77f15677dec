// Whole small files in and out, and the one edit that rendered configuration needs.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel {

// NotFound, with the path.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

// Makes the folders above it. Unavailable, with the path.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view text);

void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace umbel
