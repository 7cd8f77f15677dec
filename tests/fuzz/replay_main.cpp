// Runs a target over every file of a corpus folder, and over every truncation of the small ones:
// whatever was found once stays found, without libFuzzer.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "fuzz_one.hpp"

namespace {

constexpr std::size_t kSmall = 1024;  // bytes; each of their prefixes runs too

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

// Whether all is well.
bool replay(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
  try {
    umbel::fuzz::fuzz_one(bytes);
    return true;
  } catch (const std::exception& failure) {
    std::cerr << file.string() << ", its first " << bytes.size() << " bytes: " << failure.what()
              << '\n';
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "Usage: " << argv[0] << " FOLDER|FILE...\n";
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator{argv[i]}) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  std::size_t runs = 0;
  std::size_t broken = 0;
  for (const auto& file : files) {
    std::cout << file.filename().string()
              << std::endl;  // the last one named is the one that crashed
    const auto bytes = bytes_of(file);
    const std::span<const std::uint8_t> all{bytes};
    const std::size_t least = bytes.size() <= kSmall ? 0 : bytes.size();
    for (std::size_t size = least; size <= bytes.size(); ++size, ++runs) {
      if (!replay(file, all.first(size))) ++broken;
    }
  }
  std::cout << files.size() << " files, " << runs << " runs, " << broken << " broken\n";
  if (files.empty()) std::cerr << "There is no file to run.\n";
  return files.empty() || broken > 0 ? 1 : 0;
}
