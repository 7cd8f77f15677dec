// A stream to a server of which no call waits beyond its deadline, and that raises no signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel::redis {

// Not thread-safe. Errors: Unavailable (refused, closed) and TimedOut. Looking up a host's name may
// take longer than the deadline: as long as the machine's resolver is set to.
class Socket {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Socket>> connect(const std::string& host,
                                                               std::uint16_t port,
                                                               Steady::time_point until);
  [[nodiscard]] static Result<std::unique_ptr<Socket>> connect(const std::string& path,
                                                               Steady::time_point until);
  explicit Socket(int fd) : fd_{fd} {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] Result<void> write(std::string_view bytes, Steady::time_point until);
  // Answers how many bytes came, at least one.
  [[nodiscard]] Result<std::size_t> read(std::span<char> into, Steady::time_point until);

 private:
  const int fd_;
};

}  // namespace umbel::redis
