// Named leases (who writes the history, who schedules first), and small values that processes share
// until they expire.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

// Thread-safe.
class Leases {
 public:
  virtual ~Leases() = default;
  // True: `owner` holds `name` until now + duration (taken, or renewed). False: somebody else does.
  [[nodiscard]] virtual Result<bool> acquire(const std::string& name, const std::string& owner,
                                             std::chrono::milliseconds duration, WallTime now) = 0;
  [[nodiscard]] virtual Result<void> release(const std::string& name, const std::string& owner) = 0;
};

// Thread-safe. Values are bytes; a secret is encrypted before it comes here.
class SharedValues {
 public:
  virtual ~SharedValues() = default;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(
      const std::string& key, WallTime now) = 0;  // expired: nothing
  [[nodiscard]] virtual Result<void> put(const std::string& key, const std::string& value,
                                         WallTime expires) = 0;
  // Adds `delta` to the integer under `key`, which is `initial` until `expires` if it is not there
  // or expired; answers the new value.
  [[nodiscard]] virtual Result<std::int64_t> add(const std::string& key, std::int64_t delta,
                                                 std::int64_t initial, WallTime expires,
                                                 WallTime now) = 0;
  // Puts `value`, until `expires`, if what is there now is `expected` (nothing: not there, or
  // expired). True: done. False: something else is there, and stays.
  [[nodiscard]] virtual Result<bool> replace(const std::string& key,
                                             const std::optional<std::string>& expected,
                                             const std::string& value, WallTime expires,
                                             WallTime now) = 0;
};

}  // namespace umbel
