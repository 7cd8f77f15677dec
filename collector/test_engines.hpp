// The embedded engines in a folder that is gone when the test is, and a history that can be told to
// fail.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/testing/forwarding_history.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::collector {

class FaultyHistory final : public testing::ForwardingHistory {
 public:
  explicit FaultyHistory(std::unique_ptr<History> real)
      : ForwardingHistory{*real}, real_{std::move(real)} {}
  std::atomic<bool> broken{false};

  Result<void> become_writer() override {
    if (broken) return unavailable("disk full");
    return ForwardingHistory::become_writer();
  }
  Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                      const HistoryPosition& position) override {
    if (broken) return unavailable("disk full");
    return ForwardingHistory::append(tasks, moments, position);
  }

 private:
  std::unique_ptr<History> real_;
};

struct TestEngines {
  explicit TestEngines(std::size_t max_event_bytes = 256 * 1024 * 1024) {
    const std::string store_url = "sqlite:" + dir.file("umbel.db");
    SqliteBrokerOptions options;
    options.path = dir.file("broker.db");
    options.max_event_bytes = max_event_bytes;
    broker = open_sqlite_broker(options, clock, Log::none()).value();
    store = open_store(store_url, clock, Log::none()).value();
    history = std::make_unique<FaultyHistory>(open_history(store_url, clock, Log::none()).value());
  }
  void publish(const std::vector<Event>& events) {
    broker->publish_events(celery::encode_events(events), {}).value();
  }
  // As a worker would, without a word to anybody.
  void finish(const std::string& id, const std::string& result,
              TaskState state = TaskState::Success) {
    FinishedRun run;
    run.id = TaskId{id};
    run.name = "add";
    run.queue = QueueName{"umbel"};
    run.state = state;
    run.result = result;
    run.worker = "w1@host";
    run.done = clock.wall();
    store->results().finish(std::span{&run, 1}).value();
  }

  SystemClock clock;
  testing::TempDir dir;
  std::unique_ptr<Broker> broker;
  std::unique_ptr<Store> store;
  std::unique_ptr<FaultyHistory> history;
};

}  // namespace umbel::collector
