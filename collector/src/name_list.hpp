// Names in one text, separated by commas, as workers tell their queues.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace umbel::collector {

[[nodiscard]] inline std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) parts.emplace_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return parts;
}

}  // namespace umbel::collector
