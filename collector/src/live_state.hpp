// What the monitor knows now: tasks, workers, queues, counts. A plain object: events and figures
// come in as values with their time, and nothing here waits, writes or asks a clock.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "blind_spans.hpp"
#include "clock_watch.hpp"
#include "errors.hpp"
#include "inspections.hpp"
#include "names.hpp"
#include "queue_detail.hpp"
#include "recent_counts.hpp"
#include "rollup.hpp"
#include "series.hpp"
#include "standstill.hpp"
#include "task_table.hpp"
#include "told_runs.hpp"
#include "truth.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/model/event.hpp"
#include "umbel/model/task.hpp"
#include "umbel/model/worker_state.hpp"
#include "umbel/store/schedule_error.hpp"
#include "umbel/store/submissions.hpp"
#include "umbel/store/tick_ledger.hpp"
#include "worker_detail.hpp"

namespace umbel::collector {

struct Totals {  // since the history began
  std::uint64_t succeeded = 0, failed = 0, retried = 0, received = 0;
  std::uint64_t missed_events = 0;  // by holes in the workers' numbering
  std::uint64_t cut_batches = 0;    // of the event stream, gone before they were read

  friend bool operator==(const Totals&, const Totals&) = default;
};

// How far the events of one kind of a worker have been taken in. A broker may deliver again what
// was taken in and not committed; each worker's own order tells it.
struct TakenIn {
  WallTime at{};  // by the worker's clock
  std::optional<std::int64_t> clock;
  std::int64_t pid = 0;

  void take(const EventOrigin& origin);
  // Whether this origin lies before what was taken in, as far as its time and clock tell.
  [[nodiscard]] bool covers(const EventOrigin& origin) const;
};

// Whether two processes use one name: their heartbeats take turns.
class Twins {
 public:
  void heartbeat(std::int64_t pid, WallTime now);
  [[nodiscard]] bool seen(WallTime now) const { return turns_ >= kTurns && now - last_ < kFor; }

 private:
  static constexpr int kTurns = 3;  // a goodbye that comes late is no turn, two restarts are none
  static constexpr std::chrono::seconds kFor{60};
  std::int64_t pid_ = 0, before_ = 0;
  WallTime last_{};
  int turns_ = 0;
};

struct LiveWorker {
  WorkerState state;
  std::string pool;         // its kind; empty: it has not been asked
  bool says_slots = false;  // its heartbeats do; otherwise its answers to inspection do
  bool says_queues = false;
  std::uint64_t task_events = 0;  // since the start
  bool silent = false;            // it takes tasks and tells of none: their events are off
  std::uint64_t came_online = 0;  // how many times it said so, since the start
  ToldRuns runs;                  // of one that numbers no events
  Twins twins;
  TakenIn tasks_taken, own_taken;
  WorkerEventType last_told = WorkerEventType::Heartbeat;  // about itself

  // What it held when it died is delivered again, and is run again; of one that does not say what
  // it is, that is not denied.
  [[nodiscard]] bool comes_back() const {
    return state.sw_ident.empty() || state.sw_ident == "umbel";
  }
  std::uint64_t last_sequence = 0;               // 0: it numbers nothing, or nothing seen yet
  std::map<std::string, std::uint64_t> started;  // by task name, at most kNamesPerWorker
  std::optional<WallTime> heard;                 // when its last numbered event arrived
  SenderClock clock;
};

struct LiveQueue {
  QueueFigures figures;
  std::optional<double> in_rate, out_rate;  // per second, over the last 10 s
  std::optional<double> drain_seconds;      // see drain_seconds()
  std::optional<Standstill> why;            // it stands still; nothing: it does not
  std::optional<WallTime> stalled_since;    // nothing: it does not stand
  TaskId oldest_task;                       // of those known that wait; empty: none is known
};

struct ScheduleRow {
  std::string name;
  WallTime last_due{};
  TaskId last_task;
  TickOutcome last_outcome = TickOutcome::Enqueued;
  std::uint64_t missed = 0;

  friend bool operator==(const ScheduleRow&, const ScheduleRow&) = default;
};

// How the monitor itself is doing.
struct MonitorFacts {
  std::optional<WallTime> events_read;  // when the stream could last be read to its end
  std::optional<WallTime> queues_read;
  std::chrono::microseconds lag{};  // age of the newest event when it was taken in
  WallTime lag_at{};
  std::optional<WallTime> last_event;           // when one was last taken in
  std::string history_error;                    // empty: none
  std::string broker_error;                     // why the queues cannot be read; empty: they can
  std::string store_error;                      // why the store cannot be read; empty: it can
  std::optional<ScheduleError> schedule_error;  // as a scheduler told it; nothing: none
  // The history does not keep up and is written without detail; when that was so last.
  std::optional<WallTime> history_shed;
};

using Unfinished = std::array<std::uint64_t, 9>;  // tasks by TaskState; final ones: 0

class LiveState {
 public:
  static constexpr std::size_t kMostWorkers = 1000;
  static constexpr std::size_t kNamesPerWorker = 200;
  static constexpr std::size_t kMostQueueDetails = 500;
  static constexpr std::size_t kMostQueueNames = 500;
  static constexpr std::chrono::seconds kRateWindow{10};

  LiveState(std::size_t most_tasks, WallTime started);

  // --- from what was kept
  void restore(const Totals& totals) { totals_ = totals; }
  void restore(LiveWorker worker);
  void restore(const BlindSpans& spans);
  // Queues that somebody named: a broker that cannot list its queues is asked for them.
  void name_queue(const std::string& name);
  [[nodiscard]] const std::set<std::string>& named_queues() const { return named_queues_; }
  void restore(Rollup rollup) { rollup_ = std::move(rollup); }
  // The rows of Names; after the rollup, which knows of minutes in which nothing happened.
  void restore_names(const std::vector<KeptRow>& rows, WallTime now);
  // Everything that events told is forgotten, as the history is about to tell it anew. Figures
  // stay, and versions go on rising.
  void forget_events();
  // A task as the history has it; replaces nothing that is known already, and counts nothing.
  void adopt(Task task);
  // So many tasks are unfinished: those that were not adopted are in the history alone, and come
  // when something happens to them.
  void expect_unfinished(const Unfinished& counts);
  [[nodiscard]] Unfinished unfinished() const;

  // --- from events
  [[nodiscard]] bool knows(const TaskId& id) const { return tasks_.contains(id); }
  // Merges, counts, and watches for holes in the sender's numbering. `published` is when the event
  // reached the broker; nothing: `now`. Answers the task, until the next call, if it was about one.
  const Task* apply(const Event& event, WallTime now,
                    std::optional<WallTime> published = std::nullopt);
  // Whether the event may have been applied before, as far as its sender's order tells; and whether
  // it was, as its task, which has to be here, or its worker shows.
  [[nodiscard]] bool perhaps_applied(const Event& event) const;
  [[nodiscard]] bool was_applied(const Event& event) const;
  // Merges what was counted before: no count changes, and workers stay as they are.
  const Task* apply_again(const TaskEvent& event, WallTime now);
  // Batches of the stream that are gone: published after `from`, before `to`.
  void count_cut_batches(std::uint64_t count, std::optional<WallTime> from, WallTime to);
  // Everything that the stream holds up to `now` has been applied, without a hole since the last
  // call or `blind_until`.
  void caught_up(WallTime now);
  // The stream was cut: what happened before `from` is not known.
  void blind_until(WallTime from);
  void set_lag(std::chrono::microseconds lag, WallTime now);
  void set_broker_error(std::string error);
  void set_store_error(std::string error) { monitor_.store_error = std::move(error); }
  void set_schedule_error(std::optional<ScheduleError> error) {
    monitor_.schedule_error = std::move(error);
  }
  void set_history_error(std::string error) { monitor_.history_error = std::move(error); }
  void history_sheds(WallTime now) { monitor_.history_shed = now; }
  // The monitor did not run between the two instants.
  void stopped_between(WallTime from, WallTime to) { blind(from, to, BlindReason::Stopped); }
  // The machine's clock was set by so much: what was noted by it moves along.
  void clock_stepped(std::chrono::microseconds by);

  // --- from remote control
  // What a worker said of itself, which is a sign of life. False: there is no room for one more.
  bool hear_of(const std::string& name, const WorkerFacts& facts, WallTime now);
  // Whether it takes tasks and tells of none.
  void set_silent(const std::string& name, bool silent);
  // From this time on nobody knows what became of the task; nothing: somebody does after all.
  // Answers whether that is new; never so of a task that has ended, or is not here.
  bool set_unknown(const TaskId& id, std::optional<WallTime> since);
  // How many times the stream was read to its end after a span that was not seen.
  [[nodiscard]] std::uint64_t gaps() const { return gaps_; }

  // --- from figures
  void set_queues(const std::vector<QueueFigures>& queues, WallTime now);
  void set_submissions(std::vector<Submission> latest) { submissions_ = std::move(latest); }
  void set_schedule(std::vector<ScheduleRow> rows) { schedule_ = std::move(rows); }
  // Once a second: measures the series and forgets workers that are long gone.
  void tick(WallTime now);

  // --- what is known
  // Until the next call of find(). Long texts (arguments, results) are set for the tasks changed
  // last; of all others the history has them.
  [[nodiscard]] const Task* find(const TaskId& id) const;
  [[nodiscard]] std::size_t task_count() const { return tasks_.size(); }
  [[nodiscard]] const TaskTable& tasks() const { return tasks_; }
  [[nodiscard]] std::uint64_t evicted() const { return tasks_.evicted(); }
  [[nodiscard]] std::uint64_t in_state(TaskState state) const { return tasks_.in_state(state); }
  // Started, and nothing says that its worker does not run it any more.
  [[nodiscard]] std::uint64_t running() const {
    return in_state(TaskState::Started) - tasks_.unknown(TaskState::Started);
  }
  // By last change, newest first, until `visit` answers false. `version` rises with every change.
  // The task is the visitor's during the call only.
  template <class Visit>
  void each_task(Visit visit) const {
    tasks_.each(visit);
  }
  [[nodiscard]] std::uint64_t version() const { return tasks_.version(); }
  // The history has every change up to this version.
  [[nodiscard]] std::uint64_t kept_version() const { return kept_version_; }
  void kept_up_to(std::uint64_t version) { kept_version_ = std::max(kept_version_, version); }
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] const std::map<std::string, LiveWorker>& workers() const { return workers_; }
  [[nodiscard]] const std::map<std::string, LiveQueue>& queues() const { return queues_; }
  // Those, those that somebody named, and what workers say that they take from.
  [[nodiscard]] std::vector<QueueName> queues_heard_of() const;
  [[nodiscard]] const std::vector<Submission>& submissions() const { return submissions_; }
  [[nodiscard]] const std::vector<ScheduleRow>& schedule() const { return schedule_; }
  [[nodiscard]] const MonitorFacts& monitor() const { return monitor_; }
  [[nodiscard]] Series& series() { return series_; }
  [[nodiscard]] const Series& series() const { return series_; }
  [[nodiscard]] Rollup& rollup() { return rollup_; }
  [[nodiscard]] const Rollup& rollup() const { return rollup_; }
  [[nodiscard]] Names& names() { return names_; }
  [[nodiscard]] const Names& names() const { return names_; }
  // Nothing: not known.
  [[nodiscard]] const WorkerDetail* worker_detail(const std::string& name) const;
  [[nodiscard]] const QueueDetail* queue_detail(const std::string& name) const;
  [[nodiscard]] ErrorBook& errors() { return errors_; }
  [[nodiscard]] BlindSpans& blind_spans() { return blind_; }
  [[nodiscard]] const BlindSpans& blind_spans() const { return blind_; }
  // Seconds that were noted as blind for this reason since the start.
  [[nodiscard]] std::uint64_t blind_seconds(BlindReason reason) const {
    return blind_seconds_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] WallTime started() const { return started_; }
  // The instant that signs of life are judged by: while the stream cannot be read nobody falls
  // silent, only we hear nothing.
  [[nodiscard]] WallTime heard_until(WallTime now) const;
  // Held by workers, not started; nothing: the broker does not say what they hold.
  [[nodiscard]] std::optional<std::uint64_t> taken(WallTime now) const;
  [[nodiscard]] std::uint64_t waiting() const;                 // ready and delayed, over all queues
  [[nodiscard]] double events_per_second(WallTime now) const;  // over the last 10 s
  [[nodiscard]] std::uint64_t events_total() const { return events_total_; }  // since the start
  [[nodiscard]] std::chrono::microseconds lag(WallTime now) const;
  [[nodiscard]] Truth truth(WallTime now) const;

 private:
  struct Sample {
    WallTime at{};
    using Total = std::optional<std::uint64_t>;
    std::map<std::string, std::pair<Total, Total>> totals;  // published, acked
  };

  const Task* merge(const TaskEvent& event, WallTime now, std::optional<WallTime> happened);
  [[nodiscard]] const LiveWorker* sender_of(const Event& event) const;
  // When it reached the broker, at the earliest.
  [[nodiscard]] WallTime arrival(std::optional<WallTime> published, WallTime now) const;
  void hear_clock(LiveWorker& worker, WallTime stamped, WallTime arrived) const;
  void number(const EventOrigin& origin, LiveWorker& worker, WallTime now, WallTime published);
  void note_start(const TaskEvent& event, LiveWorker& worker);
  void measure_queues(const std::vector<QueueFigures>& queues, WallTime now);
  void explain_queues(WallTime now);
  [[nodiscard]] std::vector<WorkerStand> worker_stands(WallTime now) const;
  LiveWorker* worker_of(const EventOrigin& origin);
  void blind(WallTime from, WallTime to, BlindReason reason, std::uint64_t lost = 0,
             const std::string& who = {});

  WallTime started_;
  TaskTable tasks_;
  Task merged_;            // by apply()
  bool run_told_ = false;  // whether merge() told of a run that nothing had told of
  mutable Task found_;     // by find()
  std::uint64_t kept_version_ = 0;
  ErrorBook errors_;
  Totals totals_;
  std::map<std::string, LiveWorker> workers_;
  std::map<std::string, LiveQueue> queues_;
  std::set<std::string> named_queues_;
  std::deque<Sample> samples_;  // of the queues' totals, the last 10 s
  std::vector<Submission> submissions_;
  std::vector<ScheduleRow> schedule_;
  MonitorFacts monitor_;
  Series series_;
  Rollup rollup_;
  Names names_;
  std::map<std::string, WorkerDetail> worker_details_;  // of those in workers_
  std::map<std::string, QueueDetail> queue_details_;    // of some in queues_
  std::uint64_t events_total_ = 0;
  std::int64_t watched_ = 0;  // the last second told to the rollup as watched
  BlindSpans blind_;
  bool unseen_ = false;  // something, since the stream was read to its end
  std::uint64_t gaps_ = 0;
  std::array<std::uint64_t, 5> blind_seconds_{};
  RecentCounts event_rate_{kRateWindow};                // events taken in
  RecentCounts missed_rate_{std::chrono::seconds{60}};  // events missed
};

}  // namespace umbel::collector
