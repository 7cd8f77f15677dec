// How long a consumer may be silent.
//
// Steady time: all processes of one machine share it, it does not jump, and it stands still while
// the machine sleeps, so that waking up costs nobody his lease. It begins anew when the machine
// starts; the boot's id tells such leases apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "queue_tables.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::broker_sqlite {

class Leases {
 public:
  Leases(std::chrono::milliseconds length, const Clock& clock);

  [[nodiscard]] LeaseTime now() const;
  [[nodiscard]] std::int64_t end_of_new() const;
  [[nodiscard]] std::chrono::milliseconds renewal() const { return length_ / 4; }
  [[nodiscard]] const std::string& boot() const { return boot_; }

 private:
  std::chrono::milliseconds length_;
  const Clock& clock_;
  std::string boot_;
};

}  // namespace umbel::broker_sqlite
