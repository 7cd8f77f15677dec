// Asks once a second for what no event tells: the queues' figures, the newest submissions, the
// schedule's ticks. Also ages the live state and lets the history forget what is past its time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "live.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/history/history.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/store.hpp"

namespace umbel::collector {

// One row for each schedule, in their order.
[[nodiscard]] std::vector<ScheduleRow> schedule_rows(const std::vector<ScheduleTicks>& schedules);

struct FiguresOptions {
  std::chrono::milliseconds every{1000};
  std::chrono::hours keep_history{30 * 24};
  std::size_t submissions = 30;
};

class Figures {
 public:
  Figures(Broker& broker, Store& store, History& history, Live& live, const Clock& clock, Log log,
          FiguresOptions options);
  ~Figures();
  void start();
  void stop();

 private:
  void run(const std::stop_token& stop);
  void ask();
  void ask_queues();
  void ask_submissions();
  void ask_schedule();
  void forget();

  Broker& broker_;
  Store& store_;
  History& history_;
  Live& live_;
  const Clock& clock_;
  Log log_;
  const FiguresOptions options_;
  std::optional<std::uint64_t> submissions_known_;
  std::optional<WallTime> newest_fetch_;
  std::optional<Steady::time_point> forgot_;
  Outage queues_outage_, submissions_outage_, schedule_outage_, forget_outage_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::collector
