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

struct TokenDeskOptions {
  std::chrono::seconds ttl{3600};
  std::chrono::seconds window{600};
  std::int64_t limit = 1000;         // requests for each token in each window
  std::int64_t public_limit = 1000;  // for each address that asks without a token
};

// Not thread-safe. Knows at most kMostHolders tokens and as many addresses; beyond it the ones that
// end first are forgotten, a token then answers Unknown and an address begins a new window.
class TokenDesk {
 public:
  static constexpr std::size_t kMostHolders = 10'000;

  explicit TokenDesk(TokenDeskOptions options) : options_{options} {}

  [[nodiscard]] std::string issue(WallTime now);  // a new token
  [[nodiscard]] Admission admit(const std::string& token, WallTime now);
  // Somebody without a token, by the address it asks from. Never Unknown.
  [[nodiscard]] Admission admit_guest(const std::string& address, WallTime now);
  void revoke(const std::string& token);

 private:
  struct Holder {
    WallTime ends{};
    WallTime window{};  // its beginning
    std::int64_t used = 0;
  };
  using Holders = std::map<std::string, Holder>;
  static void make_room(Holders& holders, WallTime now);
  [[nodiscard]] Admission admit(Holder& holder, std::int64_t limit, WallTime now) const;

  TokenDeskOptions options_;
  Holders holders_, guests_;
};

}  // namespace umbel::reddit_simulator
