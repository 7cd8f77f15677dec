// The one way in: check a request against the task catalogue, accept it in one store transaction,
// hand it to the broker.
//
// Every program that makes tasks (page, REST, scheduler, worker) does it through this class. Once
// accepted, a task is not lost: what could not be published at once stays in the outbox, and the
// relay of any program publishes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/store/store.hpp"

namespace umbel {

struct TaskRequest {
  std::string name;
  std::string args = "[]";         // JSON text, an array
  std::string kwargs = "{}";       // JSON text, an object
  std::optional<TaskId> id;        // nothing: a new one
  std::optional<QueueName> queue;  // nothing: the catalogue's for this name, else the next
  std::optional<QueueName> queue_of_unknown{};  // nothing: `umbel`
  std::optional<WallTime> eta, expires;
  int priority = 0;
  TaskId root, parent;    // empty: its own root, no parent
  std::string headers{};  // JSON text, an object: further headers, as its stamps; empty: none
};

// What is accepted together with the tasks, in the same transaction.
struct Together {
  std::optional<Tick> tick;
  std::vector<Sighting> sightings;
  std::optional<Watermark> watermark;
};

// A tick and the task that it makes.
struct TickedTask {
  TaskRequest request;
  Tick tick;
};

struct AcceptedHandle {
  TaskId id;
  std::string name;
  QueueName queue;
  bool fresh = true;  // false: this id was accepted before; nothing new was made
};

namespace enqueue {
class AcceptanceGroup;
class KnownTasks;
class Publisher;
class RelayTurn;
struct Joined;
}  // namespace enqueue

// Thread-safe. Concurrent calls of submit share transactions: the more of them, the cheaper each.
class Enqueuer {
 public:
  // `origin` is this program's name in messages, `gen<pid>@host`. All references outlive the
  // Enqueuer.
  Enqueuer(Store& store, Broker& broker, const Clock& clock, Log log, std::string origin);
  ~Enqueuer();
  Enqueuer(const Enqueuer&) = delete;
  Enqueuer& operator=(const Enqueuer&) = delete;

  // From now on submit answers once the acceptance is durable, and a thread publishes behind it, in
  // the order of acceptance: for programs that accept for others. While the broker does not keep up
  // submit waits a moment for it; what then finds no room is left to the relay. What has not been
  // published when this ends is tried once more. Call it before the first submit, once.
  void publish_behind();

  // Accepts all requests in one transaction, then tries to publish them. What the catalogue says of
  // a task may be 100 ms old. Once this answers a value
  // the tasks are ours, published or not. Invalid: a request names an argument that the catalogue
  // does not know, lacks one that it requires, or has one of another type, or is not JSON; nothing
  // was accepted. Conflict: the tick was taken before; nothing was accepted. OutcomeUnknown: the
  // store lost its answer twice; the same requests with the same ids may be submitted again.
  [[nodiscard]] Result<std::vector<AcceptedHandle>> submit(std::span<const TaskRequest> requests,
                                                           const Together& together = {});

  // Accepts ticks that are due together, each for itself, in one transaction, then tries to publish
  // their tasks. For each in the order given: a handle; Invalid as above, with nothing changed; or
  // Conflict as Outbox::accept has it. An error of the whole: nothing was accepted, save
  // OutcomeUnknown.
  [[nodiscard]] Result<std::vector<Result<AcceptedHandle>>> submit_ticks(
      std::span<const TickedTask> ticks);

  // Accepts tasks whose messages are made already, in one transaction, then tries to publish them.
  // Ids that were accepted before make nothing.
  [[nodiscard]] Result<void> accept(std::vector<AcceptedTask> tasks);

  // Where a task of this name goes: the catalogue's queue for it, else `otherwise`. Errors are the
  // store's.
  [[nodiscard]] Result<QueueName> queue_of(const std::string& task, const QueueName& otherwise);

  // Publishes outbox rows that `finish` of ResultStore wrote (retries); what fails is left to the
  // relay.
  void publish_rows(std::span<const OutboxRow> rows);
  // The same for what `finish` accepted to follow these runs. Takes their messages.
  void publish_successors(std::span<FinishedRun> runs, std::span<const FinishOutcome> outcomes);

  // Publishes what has waited in the outbox for more than `older_than`; answers how many. A task
  // whose message the broker refuses for good (too large, a name that it does not take) ends as
  // FAILURE with the reason. Any program may call it, at any time; while another one is at it, that
  // one does it. Rows carry the wall time of
  // whoever wrote them: where the clock was set back meanwhile they go out at once, where it was
  // set forward they wait their time all the same.
  [[nodiscard]] Result<std::size_t> relay(
      std::chrono::milliseconds older_than = std::chrono::seconds{2});

  // The last attempt to publish failed, and was logged when it was the first of its outage.
  [[nodiscard]] bool publishing_fails() const { return publishing_fails_; }

 private:
  [[nodiscard]] Result<void> publish(std::span<const OutgoingMessage> messages);
  // Publishes rows and clears those that the broker took, and how many they are. Those that it
  // refuses for good end as failed.
  [[nodiscard]] Result<std::size_t> carry(std::span<const OutboxRow> rows);
  struct Refused {
    const OutboxRow* row = nullptr;
    Error why;
  };
  [[nodiscard]] Result<void> end(std::span<const Refused> refused);
  // One transaction for all who came together, and one publish.
  void accept_joined(std::span<enqueue::Joined* const> joined);
  // By how much the wall clock has lately been set forward, so that what was written just before is
  // not taken for old.
  [[nodiscard]] std::chrono::microseconds set_forward(WallTime wall, Steady::time_point steady,
                                                      std::chrono::milliseconds older_than);
  Store& store_;
  Broker& broker_;
  const Clock& clock_;
  Log log_;
  std::string origin_;
  std::atomic<bool> publishing_fails_{false};
  std::unique_ptr<enqueue::KnownTasks> known_;
  std::unique_ptr<enqueue::AcceptanceGroup> group_;
  std::unique_ptr<enqueue::RelayTurn> turn_;

  struct ClockLook {
    WallTime wall{};
    Steady::time_point steady{};
  };
  std::mutex clock_mutex_;  // of the three below
  std::optional<ClockLook> last_look_;
  std::chrono::microseconds forward_{0};
  Steady::time_point forward_until_{};

  std::unique_ptr<enqueue::Publisher> publisher_;  // last: its thread uses the rest
};

// The default queue of a task that nobody has registered.
inline constexpr const char* kDefaultQueue = "umbel";

}  // namespace umbel
