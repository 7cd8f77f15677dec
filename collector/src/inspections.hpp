// What workers said when they were asked about themselves, kept as they said it: the pages of
// workers and Flower's `GET /api/workers` are made of it. Bounded.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel::collector {

struct Inspection {
  WallTime at{};                // of the newest answer
  boost::json::object answers;  // by method, those that were given: `stats`, `active_queues`, …
};

// What an inspection says of a worker in a few words, for those that do not say it by themselves.
struct WorkerFacts {
  std::int64_t pid = 0;    // 0: not said
  std::int64_t slots = 0;  // 0: not said
  std::string pool;        // `prefork`, `threads`, `solo`, `gevent`, `eventlet`; empty: not said
  std::string queues;      // comma separated; empty: not said
};
[[nodiscard]] WorkerFacts facts_of(const Inspection& inspection);

// Thread-safe.
class Inspections {
 public:
  static constexpr std::size_t kMostWorkers = 1000;
  static constexpr std::size_t kMostItems = 1000;              // of one list
  static constexpr std::size_t kMostBytes = 64 * 1024 * 1024;  // of all answers, as JSON

  // An answer of another form than the method's (an error, of a worker that does not know it) is
  // not kept, and what was kept before goes. False: there is no room.
  bool put(const std::string& worker, std::string_view method, boost::json::value answer,
           WallTime at);
  [[nodiscard]] std::optional<Inspection> find(const std::string& worker) const;
  [[nodiscard]] std::map<std::string, Inspection> all() const;
  void keep_only(const std::set<std::string>& workers);

 private:
  struct Kept {
    Inspection inspection;
    std::map<std::string, std::size_t, std::less<>> bytes;  // by method
  };

  mutable std::mutex mutex_;
  std::map<std::string, Kept> kept_;
  std::size_t bytes_ = 0;
};

}  // namespace umbel::collector
