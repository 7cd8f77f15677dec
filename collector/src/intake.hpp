// Takes events in: decodes them, merges them into the live state, and hands what came of them to
// the history in batches.
//
// A batch of history carries the place in the event stream that it was made from, and the counts up
// to there; the broker's offset follows afterwards. So a kill at any instant repeats nothing and
// loses nothing.
//
// While the history cannot be written the live state goes on. Once too much waits, it is given up:
// the intake reads *ahead* for the live state alone. When the history is back, the stream is read
// again from where the history stands; how far had been counted by then is kept with the position,
// so what is read again is merged and written, but not counted, over a restart too.
//
// Of several collectors over one history one writes. Another one that comes after it throws away
// what it counted by itself and goes on from where the history stands: what the first one counted
// and kept is true, however long the second one watched, and whatever it missed meanwhile.
//
// It also reads along which results are stored, and closes tasks whose own end event did not come.
#pragma once

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

#include "backlog.hpp"
#include "history_writer.hpp"
#include "kept.hpp"
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
  std::size_t shed_from = 10'000;               // see BacklogLimits
  std::size_t most_waiting = 20'000;            // tasks; more are given up and read again later
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

  // Events that did not come with the stream: ends and starts that were found out otherwise. Taken
  // in soon, and only while they are news. Thread-safe.
  void tell(std::vector<TaskEvent> events);

  [[nodiscard]] std::uint64_t kept_push_sequence() const {
    return committed_.push_sequence;
  }                                                                       // after load()
  [[nodiscard]] std::optional<WallTime> since() const { return since_; }  // after load()
  // Why events or history are not what they should be; a value: all well. Thread-safe.
  [[nodiscard]] Result<void> ready() const;

 private:
  enum class Mode {
    Following,  // what is read is counted and kept
    Ahead,      // given up: what is read is counted, and not kept
    Behind,     // what is read was counted before, and is kept
  };
  struct AwaitedEnd {
    std::uint64_t sequence = 0;
    Steady::time_point due{};
    TaskId id;
  };
  struct Taken {
    Event event;
    WallTime published{};
    bool again = false;  // counted before, by the totals
    bool told = false;   // counted before, by this process's metrics
  };
  struct Stand;  // of the history

  void run(const std::stop_token& stop);
  void turn(const std::stop_token& stop);
  void finish();
  void pause(const std::stop_token& stop, std::chrono::milliseconds time);

  // events
  [[nodiscard]] bool subscribe();
  void take(const std::vector<EventBatch>& batches);
  void count_cut(const EventBatch& batch);
  void note_perhaps_cut(const PerhapsCut& place);
  using Recalled = std::unordered_map<TaskId, Task>;
  [[nodiscard]] Recalled read_back(const std::vector<Taken>& events);
  void apply(const std::vector<Taken>& events, Recalled recalled, WallTime now);
  void bring_back(LiveState& state, const Event& event, Recalled& recalled);
  void apply_again(LiveState& state, const Taken& taken, WallTime now);
  void count(const Event& event);
  void keep(const Task& task, const TaskEvent& event);

  // what was found out otherwise
  void take_told();

  // results
  void tail_results();
  [[nodiscard]] bool close_overdue();
  // What is known of a task outside the live state. NotFound: nothing.
  [[nodiscard]] Result<Task> recall(const TaskId& id);

  // history
  [[nodiscard]] bool wait_for_history() const;
  [[nodiscard]] bool history_is_due() const;
  void hand_over();
  void take_outcome(std::chrono::milliseconds limit);
  [[nodiscard]] Result<Stand> read_stand();
  void take_up(Stand stand, bool anew);
  void overtaken(HistoryBatch& batch);
  void written(const HistoryBatch& batch, std::chrono::microseconds took);
  void not_written(HistoryBatch& batch, const Error& error);
  void changed_again(const std::vector<KeptRow>& rows);
  void give_up();
  void catch_up();
  void note_shed();
  void say();

  Broker& broker_;
  ResultStore& results_;
  History& history_;
  Live& live_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  Log log_;
  const IntakeOptions options_;
  const std::function<std::uint64_t()> push_sequence_;

  Mode mode_ = Mode::Following;
  HistoryPosition position_;   // of what has been applied
  HistoryPosition committed_;  // of what the history holds
  CountedUpTo counted_;        // of what the totals say, where that is ahead of position_
  // The history stands at committed_, and nobody else moves it. Otherwise it may also stand where
  // the last write would have brought it, whose outcome was an error.
  bool sure_ = false;
  std::optional<HistoryPosition> attempted_;
  std::uint64_t told_ = 0;         // batches of the stream that the metrics have counted
  std::uint64_t known_ahead_ = 0;  // version of the live state when it was last ahead
  // Version of the live state of which the batch that is being written tells everything.
  std::optional<std::uint64_t> handed_version_;
  std::optional<WallTime> since_;
  std::unique_ptr<EventSubscription> subscription_;
  std::optional<WallTime> last_published_;  // of the batch read last
  std::optional<WallTime> read_before_;     // how far, when the subscription began
  Backlog backlog_;
  std::deque<AwaitedEnd> awaited_;
  std::uint64_t tailed_ = 0;
  bool drained_ = false;
  bool starting_ = true;  // the end of the stream has not been reached since the start
  Steady::time_point started_{};
  Steady::time_point last_flush_{}, last_tail_{}, next_try_{};
  std::optional<Steady::time_point> last_shed_;
  Outage events_outage_, history_outage_, results_outage_;
  metrics::BoundedLabel types_;
  std::map<std::string, prometheus::Counter*> counters_;

  std::mutex told_mutex_;
  std::vector<TaskEvent> found_out_;

  mutable std::mutex mutex_;  // of the two below
  std::string broker_error_ = "no events have been read yet";
  std::string history_error_;
  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  HistoryWriter writer_;
  std::jthread thread_;
};

}  // namespace umbel::collector
