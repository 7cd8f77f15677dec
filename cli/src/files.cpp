#include "files.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace umbel {

namespace fs = std::filesystem;

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return not_found(fmt::format("cannot read {}", path.string()));
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Result<void> write_file(const fs::path& path, std::string_view text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file{path, std::ios::binary | std::ios::trunc};
  file << text;
  file.close();
  if (!file) return unavailable(fmt::format("cannot write {}", path.string()));
  return {};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

Result<void> render_folder(const fs::path& from, std::string_view extension, const fs::path& to,
                           const std::vector<Replacement>& replacements) {
  std::error_code error;
  fs::remove_all(to, error);  // what an older version left would be in force beside the new
  bool any = false;
  for (const auto& entry : fs::directory_iterator{from, error}) {
    if (entry.path().extension() != extension) continue;
    auto text = read_file(entry.path());
    if (text.has_error()) return text.error();
    for (const auto& each : replacements) replace_all(*text, each.from, each.to);
    if (auto written = write_file(to / entry.path().filename(), *text); !written) return written;
    any = true;
  }
  if (!any) return not_found(fmt::format("no {} files in {}", extension, from.string()));
  return {};
}

}  // namespace umbel
