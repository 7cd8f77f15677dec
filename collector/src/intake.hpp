// Takes events in: decodes them, merges them into the live state, and writes what came of them to
// the history in batches.
//
// A batch of history carries the place in the event stream that it was made from, and the counts up
// to there; the broker's offset follows afterwards. So a kill at any instant repeats nothing and
// loses nothing. While the history cannot be written the live state goes on; once too much waits,
// it is given up and read again from the stream when the history is back.
//
// It also reads along which results are stored, and closes tasks whose own end event did not come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "live.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/history/history.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::collector {

struct IntakeOptions {
  std::string subscriber = "collector";
  std::size_t most_tasks = 100'000;  // of the live state
  std::chrono::milliseconds flush_every{200};
  std::size_t flush_tasks = 1000;
  std::size_t most_waiting =
      20'000;  // tasks waiting for the history before they are given up and read again later
  std::chrono::milliseconds close_after{3000};  // how long a result waits for its event
  std::chrono::milliseconds tail_every{1000};
};

class Intake {
 public:
  // References outlive the Intake. `push_sequence` is asked at each flush.
  Intake(Broker& broker, ResultStore& results, History& history, Live& live, const Clock& clock,
         metrics::Metrics& metrics, Log log, IntakeOptions options,
         std::function<std::uint64_t()> push_sequence);
  ~Intake();

  // Takes up what the history kept, so that the live state is complete when this answers; start()
  // goes on from there.
  [[nodiscard]] Result<void> load();
  void start();
  void stop();  // writes what is left, if it can

  [[nodiscard]] std::uint64_t kept_push_sequence() const {
    return committed_.push_sequence;
  }                                                                       // after load()
  [[nodiscard]] std::optional<WallTime> since() const { return since_; }  // after load()
  // Why events or history are not what they should be; a value: all well. Thread-safe.
  [[nodiscard]] Result<void> ready() const;

 private:
  struct AwaitedEnd {
    std::uint64_t sequence = 0;
    WallTime due{};
    TaskId id;
  };

  void run(const std::stop_token& stop);
  void pause(const std::stop_token& stop, std::chrono::milliseconds time);
  [[nodiscard]] bool subscribe();
  void take(const std::vector<EventBatch>& batches);
  void read_back(const std::vector<Event>& events);
  void apply(const std::vector<Event>& events, WallTime now);
  void count(const Event& event);
  void tail_results();
  [[nodiscard]] bool close_overdue(WallTime now);
  void keep(const Task& task, Moment moment);
  void flush_if_due(bool now);
  [[nodiscard]] bool write(const HistoryPosition& position);
  void say(std::string broker_error, std::string history_error);

  Broker& broker_;
  ResultStore& results_;
  History& history_;
  Live& live_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  const IntakeOptions options_;
  const std::function<std::uint64_t()> push_sequence_;

  HistoryPosition position_;   // of what has been applied
  HistoryPosition committed_;  // of what the history holds
  std::optional<WallTime> since_;
  std::unique_ptr<EventSubscription> subscription_;
  std::unordered_map<TaskId, Task> tasks_;  // waiting for the history
  std::vector<Moment> moments_;
  bool given_up_ = false;
  std::deque<AwaitedEnd> awaited_;
  std::uint64_t tailed_ = 0;
  bool drained_ = false;
  Steady::time_point last_flush_{}, last_tail_{}, next_try_{};
  Outage events_outage_, history_outage_, results_outage_;
  metrics::BoundedLabel types_;
  std::map<std::string, prometheus::Counter*> counters_;

  mutable std::mutex mutex_;  // of the two below
  std::string broker_error_ = "no events have been read yet";
  std::string history_error_;
  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::collector
