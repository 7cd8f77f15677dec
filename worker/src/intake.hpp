// What happens to a message when it arrives: decoded, compared with what is known of its task, and
// sent to where it belongs.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "control/held_task.hpp"
#include "control/revocations.hpp"
#include "ended.hpp"
#include "event_sender.hpp"
#include "in_flight.hpp"
#include "instruments.hpp"
#include "job.hpp"
#include "returns.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"
#include "umbel/worker/task.hpp"
#include "verdict.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class Intake {
 public:
  struct Parts {
    const TaskRegistry& tasks;
    Broker& broker;
    ResultStore& results;
    EventSender& events;
    Instruments& instruments;
    InFlight& in_flight;
    Returns& returns;
    const Revocations& revocations;
    const Clock& clock;
  };
  struct Ways {
    std::function<void(Job)> run;    // may start now
    std::function<void(Ended)> end;  // ends without having run
  };
  // `most_held`: jobs held for their eta at the same time; more are sent back to the broker as
  // delayed messages.
  Intake(Parts parts, Ways ways, EndedBy by, std::size_t most_held, Log log);

  // Messages just delivered. While the store is out it waits, until `stop`; then they go back to
  // their queues.
  void deliver(std::vector<Delivery> deliveries, const std::shared_ptr<Consumer>& consumer,
               const std::shared_ptr<Slots>& slots, const std::stop_token& stop);
  // Copies that waited for another one of their id. Never waits: while the store is out they go
  // back to their queues.
  void again(std::vector<Job> jobs);

  // Starts what was held and is due; answers how long until the next one is. A clock that was set
  // back may have moved one so far away that it is sent back to the broker.
  [[nodiscard]] std::chrono::milliseconds start_due(std::chrono::milliseconds most);
  // What waits for its eta, the next one first.
  [[nodiscard]] std::vector<HeldTask> scheduled() const;
  [[nodiscard]] std::vector<Job> take_held();                          // all
  [[nodiscard]] std::vector<Job> take_held(const Consumer* consumer);  // of this one

  [[nodiscard]] std::optional<Error> outage() const { return store_outage_.current(); }

 private:
  Job decoded(Delivery delivery, const std::shared_ptr<Consumer>& consumer,
              const std::shared_ptr<Slots>& slots);
  void admit(std::vector<Job> jobs, const std::stop_token* patience);
  bool look_up(std::vector<Job>& jobs, const std::stop_token* patience);
  void route(Job job, WallTime now);
  // Rejected: gone without having been run, so that a queue that is set up for it keeps it.
  enum class Given { Acknowledge, Reject };
  void end(Job job, const Ending& ending, WallTime now, Given given = Given::Acknowledge);
  void received(const Job& job);
  void hold(Job job);
  void keep(Job job);  // the lock is held
  void send_on(Job job);

  Parts parts_;
  Ways ways_;
  EndedBy by_;
  const std::size_t most_held_;
  Log log_;
  Outage store_outage_;
  mutable std::mutex mutex_;
  std::multimap<WallTime, Job> held_;
};

}  // namespace umbel
