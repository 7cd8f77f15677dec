// Why a queue stands still, in words: what somebody at night wants to know before anything else.
// Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace umbel::collector {

// A queue stands still when tasks are ready in it and none has been taken for so long.
inline constexpr std::chrono::microseconds kStandsStill = std::chrono::seconds{10};

struct QueueStand {
  std::uint64_t ready = 0, delayed = 0, consumers = 0;
  // Since a task was last taken from it or nothing was ready; nothing: not known.
  std::optional<std::chrono::microseconds> unmoved;
};

// A worker that is not known to have left.
struct WorkerStand {
  std::string name;
  bool online = true;               // else its heartbeats stopped
  std::vector<std::string> queues;  // that it takes from; empty: it does not say
  std::int64_t active = 0, slots = 0, stuck = 0;
  std::vector<std::pair<std::string, std::uint64_t>> runs;  // names of tasks, and how many
};

enum class StandstillKind {
  BrokerSilent,   // nothing of the queue is known
  NoConsumer,     // nobody takes from it, or only from others
  WorkersSilent,  // those that did do not answer
  AllStuck,       // every slot is held by a task that does not return
  AllBusy,        // it will go on when one of them ends
  NotTaking,      // somebody is connected and takes nothing
  AllDelayed,     // it does not stand: every task waits for its time
};

struct Standstill {
  StandstillKind kind = StandstillKind::NoConsumer;
  std::string text;  // goes on behind "… stands still: "; no full stop

  friend bool operator==(const Standstill&, const Standstill&) = default;
};

// Nothing: the queue is empty, or goes on. `broker_error`: why the queues cannot be read; empty:
// they can.
[[nodiscard]] std::optional<Standstill> standstill(const std::string& queue,
                                                   const QueueStand& stand,
                                                   const std::vector<WorkerStand>& workers,
                                                   const std::string& broker_error);

// Whether the queue will not go on by itself.
[[nodiscard]] bool wants_help(StandstillKind kind);

}  // namespace umbel::collector
