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
#include "umbel/store/tick.hpp"

namespace umbel {

struct AcceptedTask {
  TaskId id;
  std::string name;
  QueueName queue;
  Message message;
  std::optional<WallTime> not_before;
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

// For each task of an acceptance the row of its message in the outbox, or nothing if the id was
// accepted before.
using AcceptedRows = std::vector<std::optional<OutboxId>>;

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

  // One transaction. Of a task whose id was accepted before only the rest is done, so accepting
  // twice is harmless. Conflict: the tick was taken already (by this or another scheduler), its
  // schedule is paused, or the ledger knows more than whoever counted the ticks missed before it;
  // nothing was changed.
  [[nodiscard]] virtual Result<AcceptedRows> accept(const Acceptance& acceptance) = 0;

  // The same for many that have nothing to do with each other, in one transaction: a Conflict of
  // one changes nothing about the others. An error of the whole: nothing was changed.
  [[nodiscard]] virtual Result<std::vector<Result<AcceptedRows>>> accept_each(
      std::span<const Acceptance> acceptances) = 0;

  // Rows written before `before`, oldest first: what whoever accepted them did not manage to
  // publish. With `after`, also those written after it: by a clock that has been set back since.
  [[nodiscard]] virtual Result<std::vector<OutboxRow>> unpublished(
      WallTime before, std::size_t limit, std::optional<WallTime> after = std::nullopt) = 0;

  // The rows' messages are in the broker. Rows already gone are passed over.
  [[nodiscard]] virtual Result<void> clear(std::span<const OutboxId> rows) = 0;
};

}  // namespace umbel
