// The one line of truth: whether all is well, and if not, what and why. Computed here, so that
// page, API and alerts say the same. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "standstill.hpp"
#include "umbel/base/clock.hpp"

namespace umbel::collector {

enum class TruthLevel { Ok, Warn, Bad, Unknown };
[[nodiscard]] const char* to_text(TruthLevel level);

struct Truth {
  TruthLevel level = TruthLevel::Unknown;
  std::string text;
  std::string link;  // a view of the page; empty: none

  friend bool operator==(const Truth&, const Truth&) = default;
};

struct QueueFact {
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t consumers = 0;
  std::optional<std::chrono::microseconds> oldest_wait;
  std::optional<std::chrono::microseconds> unmoved{};  // it has stood still; nothing: it does not
  std::optional<Standstill> why{};
};

struct StuckFact {
  std::string worker;
  std::uint64_t stuck = 0, slots = 0;
};

// The schedule's file cannot be used; an earlier one is in force.
struct ScheduleFact {
  std::chrono::microseconds wrong_for{}, in_force_for{};
  std::string what;
};

struct TruthFacts {
  std::chrono::microseconds up{};  // since the monitor started
  std::optional<std::chrono::microseconds>
      blind_for;  // since events could last be read; nothing: never could
  std::optional<std::chrono::microseconds> queues_age;  // since the queues could last be read
  std::chrono::microseconds lag{};                      // between what happened and what is shown
  std::size_t workers_online = 0;
  std::vector<std::string> workers_lost;
  std::vector<std::string> workers_silent;  // online, and telling of no task that they run
  std::vector<std::string> workers_twins;   // names that two processes use at the same time
  std::vector<StuckFact> workers_stuck;     // slots whose task does not return; of workers online
  std::vector<QueueFact> queues;
  std::uint64_t taken = 0;   // tasks that workers hold and have not started
  std::string broker_error;  // why the queues cannot be read now; empty: they can
  std::string store_error;   // the same of the store
  std::optional<ScheduleFact> schedule_wrong;
  std::int64_t seconds_seen = 60;          // of the last minute; fewer after a start
  std::uint64_t finished = 0, failed = 0;  // in the last minute; finished has the failed ones too
  std::uint64_t missed_lately = 0;         // events, in the last minute
  std::string history_error;               // empty: none
  bool history_sheds = false;              // it was written without detail, in the last minute
};

[[nodiscard]] Truth line_of_truth(const TruthFacts& facts);

// `1,204`
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace umbel::collector
