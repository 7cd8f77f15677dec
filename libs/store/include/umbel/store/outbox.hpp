// Acceptance: the one transaction that makes a task ours, and the outbox that carries it to the
// broker.
//
// Store and broker are never assumed atomic with each other. So a task is accepted by one store
// transaction that writes its PENDING row and its message into the outbox, together with whatever
// made it (a schedule's tick, a subreddit's watermark); a relay publishes the message and then
// clears the row. Publishing twice is harmless: every copy carries the same task id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel {

struct AcceptedTask {
  TaskId id;
  std::string name;
  QueueName queue;
  Message message;
  std::optional<WallTime> not_before;
};

struct Tick {
  std::string schedule;  // its name in schedule.yaml
  WallTime due{};        // the instant in UTC; unique together with the schedule
};

// A submission that a listing showed; what is known of it before it is fetched.
struct Sighting {
  std::string fullname;   // Reddit's `t3_<id>`
  std::string subreddit;  // lower case
  WallTime created{};
};

struct Watermark {
  std::string subreddit;  // lower case
  WallTime newest{};      // everything created up to here has been listed; never moves back
};

struct Acceptance {
  std::vector<AcceptedTask> tasks;
  std::optional<Tick> tick;
  std::vector<Sighting> sightings;
  std::optional<Watermark> watermark;
  WallTime at{};
};

using OutboxId = std::uint64_t;

struct OutboxRow {
  OutboxId id = 0;
  TaskId task;
  QueueName queue;
  Message message;
  std::optional<WallTime> not_before;
};

// Thread-safe. A failed call changed nothing, save Errc::OutcomeUnknown.
class Outbox {
 public:
  virtual ~Outbox() = default;

  // One transaction. For each task the row of its message in the outbox, or nothing if the id was
  // accepted before: then only the rest is done, so accepting twice is harmless. Conflict: the tick
  // was taken already (by this or another scheduler); nothing was changed.
  [[nodiscard]] virtual Result<std::vector<std::optional<OutboxId>>> accept(
      const Acceptance& acceptance) = 0;

  // Rows written before `before`, oldest first: what whoever accepted them did not manage to
  // publish.
  [[nodiscard]] virtual Result<std::vector<OutboxRow>> unpublished(WallTime before,
                                                                   std::size_t limit) = 0;

  // The rows' messages are in the broker. Rows already gone are passed over.
  [[nodiscard]] virtual Result<void> clear(std::span<const OutboxId> rows) = 0;
};

}  // namespace umbel
