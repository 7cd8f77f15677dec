// Stores results, then acknowledges, then tells: one thread for all that has ended meanwhile, in
// one transaction.
//
// A result is never dropped while the process lives: while the store is out, it waits here and is
// tried again. The message is acknowledged only afterwards, so whatever dies in between, the task
// runs again or its copy finds the result.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ended.hpp"
#include "event_sender.hpp"
#include "in_flight.hpp"
#include "instruments.hpp"
#include "result_desk.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class Finisher {
 public:
  struct Parts {
    ResultStore& results;
    Enqueuer& enqueuer;
    EventSender& events;
    Instruments& instruments;
    InFlight& in_flight;
    const Clock& clock;
    const EndedBy& by;
  };
  // Whom results are told to beside the store; `callers` null: nobody.
  struct Told {
    CallerResults* callers = nullptr;
    ResultDesk::Limits limits{};
    ResultDesk::OnChord on_chord{};
  };
  // `again` takes copies of a task that had to wait until this one was done with.
  Finisher(Parts parts, Told told, std::function<void(std::vector<Job>)> again, Log log);

  void push(Ended ended);
  // A state on the way, for callers outside.
  void tell_state(CallerResult state);
  // Waits until everything pushed so far is stored, told and acknowledged, but for what others can
  // tell as well (ResultDesk::wait_told). False: `until` passed.
  bool wait_idle(Steady::time_point until);
  struct Left {
    std::vector<Job> unstored;  // to run again
    std::vector<Job> untold;    // the store has their results
  };
  // Ends after at most one more try; answers what may not be acknowledged.
  [[nodiscard]] Left close();
  [[nodiscard]] std::optional<Error> outage() const { return store_outage_.current(); }

 private:
  void run(const std::stop_token& stop);
  bool settle(std::vector<Ended>& batch, const std::stop_token& stop);
  bool store(std::vector<Ended>& batch, const std::stop_token& stop, std::vector<FinishedRun>& runs,
             std::vector<FinishOutcome>& outcomes);
  [[nodiscard]] Result<std::vector<FinishOutcome>> finish_all(std::vector<FinishedRun>& runs,
                                                              std::vector<Ended>& batch);
  void tell_chords(const std::vector<Ended>& batch,
                   const std::vector<FinishOutcome>& outcomes) const;
  [[nodiscard]] Result<void> count_chords(Ended& ended) const;
  [[nodiscard]] bool is_ours(const FinishedRun& run, const std::stop_token& stop);
  void hand_on(std::vector<Ended>& batch, const std::vector<FinishOutcome>& outcomes);
  void release(std::vector<Released> jobs);
  [[nodiscard]] bool is_idle() const { return queue_.empty() && released_.empty() && !busy_; }
  void acknowledge();
  [[nodiscard]] Result<void> give_up(Consumer& consumer, const std::vector<DeliveryTag>& held);
  [[nodiscard]] Result<void> refuse(Consumer& consumer, const std::vector<DeliveryTag>& held);
  void tell(std::vector<Ended>& batch, const std::vector<FinishOutcome>& outcomes);
  void tell_revoked(Ended& ended);
  void call_hook(const Ended& ended) const;

  Parts parts_;
  std::function<void(std::vector<Job>)> again_;
  Log log_;
  Outage store_outage_, broker_outage_;
  std::vector<Released> to_acknowledge_;            // of the thread alone
  std::chrono::milliseconds acknowledge_again_{0};  // after a failure
  std::mutex mutex_;
  std::condition_variable_any pushed_, idle_;
  std::vector<Ended> queue_;
  std::vector<Ended> unstored_;  // what the thread could not store before it ended
  std::vector<Released> released_;
  bool busy_ = false;
  std::unique_ptr<ResultDesk> desk_;  // null: nobody is told
  std::jthread thread_;
};

}  // namespace umbel
