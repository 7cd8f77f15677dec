// What a worker did in the last hour, and with which tasks. Bounded; plain values, no I/O.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "by_minute.hpp"

namespace umbel::collector {

struct BusyMinute {
  std::uint64_t looks = 0, active = 0;  // `active`: the sum of all looks

  [[nodiscard]] double mean() const {
    return looks == 0 ? 0 : static_cast<double>(active) / static_cast<double>(looks);
  }
};

struct WorkerDetail {
  static constexpr std::size_t kNames = 100;
  static constexpr const char* kOther = "other";  // names beyond that many
  struct Ended {
    std::uint64_t succeeded = 0, failed = 0;
  };

  ByMinute<BusyMinute> busy;
  std::map<std::string, Ended, std::less<>> ended;  // by name, since the start of the monitor

  void look(std::int64_t active, std::int64_t t) {
    BusyMinute& minute = busy.at(t);
    ++minute.looks;
    minute.active += static_cast<std::uint64_t>(std::max<std::int64_t>(active, 0));
  }
  void end(std::string_view name, bool well) {
    auto found = ended.find(name);
    if (found == ended.end()) {
      const bool full = ended.size() >= kNames;
      found = ended.try_emplace(std::string{full ? kOther : name}).first;
    }
    ++(well ? found->second.succeeded : found->second.failed);
  }
};

}  // namespace umbel::collector
