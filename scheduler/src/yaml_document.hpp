// The one document that a file should have, and where a second one begins.
#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>

namespace umbel {

struct FirstDocument {
  YAML::Node node;                   // null if there is none
  std::optional<YAML::Mark> second;  // where the next one begins, if there is one
};

// Throws YAML::Exception. Instead of YAML::LoadAll, which never ends on some broken texts (a word,
// a newline, a comma): yaml-cpp 0.7 finds documents there for ever, and LoadAll keeps them all.
[[nodiscard]] FirstDocument first_document(const std::string& text);

}  // namespace umbel
