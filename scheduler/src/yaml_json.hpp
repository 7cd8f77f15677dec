// YAML values as JSON, by YAML 1.2's core schema: what is quoted stays text; plain `1`, `1.5`,
// `true` and `null` become what they look like (`yes` and `no` stay text).
#pragma once

#include <yaml-cpp/yaml.h>

#include <boost/json.hpp>
#include <cstddef>
#include <string>

namespace umbel {

// Where in the file, and why.
struct YamlMistake {
  int line = 0, column = 0;  // from 1
  std::string reason;
};

using YamlJson = boost::system::result<boost::json::value, YamlMistake>;

[[noreturn]] void throw_exception_from_error(const YamlMistake& mistake,
                                             const boost::source_location& location);

// At most kMaxYamlDepth levels, kMaxYamlValues values and kMaxYamlBytes of text: aliases can make a
// small file huge.
inline constexpr int kMaxYamlDepth = 32;
inline constexpr int kMaxYamlValues = 10'000;
inline constexpr std::size_t kMaxYamlBytes = 1024 * 1024;
[[nodiscard]] YamlJson json_from_yaml(const YAML::Node& node);

}  // namespace umbel
