// Moves the wall clock of a program that a test starts: Debian's libfaketime, to be preloaded.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace umbel::testing {

// AddressSanitizer's library, which insists on being the first of a program; empty without it.
inline std::string sanitizer_library() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/libasan.so") != std::string::npos) return line.substr(line.find('/'));
  }
  return {};
}

// The value of LD_PRELOAD for the program whose clock is to be moved; empty: the package `faketime`
// is missing. Not for a shell in between, which a sanitizer's library would judge as well.
inline std::string faketime_preload() {
  for (const auto& entry : std::filesystem::directory_iterator{"/usr/lib"}) {
    const auto library = entry.path() / "faketime" / "libfaketimeMT.so.1";
    std::error_code none;
    if (!std::filesystem::exists(library, none)) continue;
    const std::string first = sanitizer_library();
    return first.empty() ? library.string() : first + " " + library.string();
  }
  return {};
}

}  // namespace umbel::testing
