// What Redis answers to one command.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace umbel::redis {

struct Reply {
  enum class Kind { Null, Status, Error, Integer, Text, List };
  Kind kind = Kind::Null;
  std::string text{};  // of Status, Error and Text
  std::int64_t integer = 0;
  std::vector<Reply> list{};

  [[nodiscard]] bool is_error() const { return kind == Kind::Error; }
};

using Command = std::vector<std::string>;

}  // namespace umbel::redis
