// Who may ask, and how often: bearer tokens with an end, and a budget of requests for each in each
// window.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "umbel/base/clock.hpp"

namespace umbel::reddit_simulator {

struct Admission {
  enum class Answer { Unknown, Limited, Admitted };
  Answer answer = Answer::Unknown;
  std::int64_t used = 0, remaining = 0;
  std::chrono::seconds reset{
      0};  // until the window ends, at least 1 s; nothing of this is set for Unknown
};

// Not thread-safe.
class TokenDesk {
 public:
  static constexpr std::chrono::seconds kWindow{600};

  TokenDesk(std::chrono::seconds ttl, std::int64_t limit) : ttl_{ttl}, limit_{limit} {}

  [[nodiscard]] std::string issue(WallTime now);  // a new token; forgets those that have ended
  [[nodiscard]] Admission admit(const std::string& token, WallTime now);

 private:
  struct Holder {
    WallTime ends{};
    WallTime window{};  // its beginning
    std::int64_t used = 0;
  };
  std::chrono::seconds ttl_;
  std::int64_t limit_;
  std::map<std::string, Holder> holders_;
};

}  // namespace umbel::reddit_simulator
