// A program that stands still (SIGSTOP: a paused machine, a debugger, a disk that hangs) and wakes
// among others that went on without it.
//
// UMBEL_FREEZE sets how many seconds it stands still: eight by default, longer than any lease.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <thread>

#include "line.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::testing::eventually;

class Frozen : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) line_->print_logs();
  }
  void start(LineOptions options = {}) {
    options.tasks_per_second = sanitized() ? 20 : 100;
    line_ = std::make_unique<Line>(std::move(options));
    line_->start();
  }
  void stand_still() const {
    // How long it stands still is what is tried; nothing happens that could be waited for.
    std::this_thread::sleep_for(time_);
  }

  void settle() {
    const Account account = line_->settle();
    std::cout << account;
    EXPECT_TRUE(account.clean());
  }
  TaskId ask(const std::string& name, const std::string& kwargs) {
    TaskRequest request;
    request.name = name;
    request.kwargs = kwargs;
    return line_->enqueuer().submit(std::span{&request, 1}).value().front().id;
  }
  json::object task_info(const TaskId& id) {
    const auto text = line_->get(line_->api("/api/task/info/" + id.str()));
    return text ? json::parse(*text).as_object() : json::object{};
  }
  json::object overview() {
    const auto text = line_->get(line_->api("/api/overview"));
    return text ? json::parse(*text).as_object() : json::object{};
  }

  // What each part says of itself and of the work, for the text of a failure.
  std::string whole_state() {
    std::string said;
    const auto document = overview();
    for (const char* section : {"totals", "truth", "monitor", "workers", "queues"}) {
      const auto* const part = document.if_contains(section);
      said += fmt::format("  {}: {}\n", section, part ? json::serialize(*part) : "no answer");
    }
    http::ClientRequest request;
    request.url = line_->api("/readyz");
    request.timeout = seconds{5};
    const auto ready = http::Client{}.send(request);
    said += ready ? fmt::format("  /readyz: {} {}\n", ready->status, ready->body)
                  : fmt::format("  /readyz: {}\n", ready.error().what);
    for (const std::string& name : line_->names()) {
      said += fmt::format("  {}: {}\n", name, line_->at(name).running() ? "runs" : "has ended");
    }
    const auto queues = line_->broker().queues();
    if (!queues) said += fmt::format("  broker: {}\n", queues.error().what);
    for (const QueueFigures& each : queues ? *queues : std::vector<QueueFigures>{}) {
      said += fmt::format("  queue {}: {} ready, {} delayed, {} unacked, {} consumers\n",
                          each.name.str(), each.ready, each.delayed.value(), each.unacked.value(),
                          each.consumers);
    }
    int ended = 0;
    for (const auto& [second, count] : ended_by_second()) ended += count;
    said += fmt::format(
        "  asked for: {}, without a result: {}, refused: {}; results of success in the store: {}\n",
        line_->load().asked().size(), line_->load().open_before(Steady::now()),
        line_->load().refused(), ended);
    return said;
  }

  // How many tasks ended in each second, by their results.
  std::map<std::int64_t, int> ended_by_second() {
    std::map<std::int64_t, int> count;
    for (std::uint64_t after = 0;;) {
      const auto read = line_->store().results().finished_since(after, 1000).value();
      for (const StoredTask& each : read) {
        after = std::max(after, each.sequence);
        if (each.done && each.state == TaskState::Success) ++count[second_of(*each.done)];
      }
      if (read.empty()) return count;
    }
  }
  static std::int64_t second_of(WallTime time) { return to_micros(time) / 1'000'000; }

  // Of the seconds between, how many the chart shows as seen and empty although tasks ended in
  // them.
  std::size_t falsely_idle(WallTime from, WallTime to, std::string& said) {
    const auto document = overview();
    if (document.empty()) return 1;
    const auto& series = document.at("series");
    const auto& succeeded = series.at("points").at("succeeded").as_array();
    const auto first = series.at("from").to_number<std::int64_t>();
    auto ended = ended_by_second();
    std::size_t idle = 0;
    said = "(ended, shown)";
    for (auto at = second_of(from) + 1; at < second_of(to); ++at) {
      const auto place = at - first;
      if (place < 0 || place >= static_cast<std::int64_t>(succeeded.size())) continue;
      const auto& value = succeeded.at(static_cast<std::size_t>(place));
      said += fmt::format(" ({}, {})", ended[at], json::serialize(value));
      // Not two or three: an event's second and its result's may differ by a moment.
      if (!value.is_null() && value.to_number<double>() == 0 && ended[at] > 5) ++idle;
    }
    return idle;
  }

  const milliseconds time_{static_cast<int>(from_environment("UMBEL_FREEZE", 8) * 1000)};
  SystemClock clock_;
  std::unique_ptr<Line> line_;
};

// What it held is run by another; when it wakes it neither overwrites that result nor acknowledges
// anything, and goes on.
TEST_F(Frozen, WorkerDoesNotOverwriteTheRunThatFollowedItsOwn) {
  start();
  std::vector<TaskId> slow;
  // More than one worker takes at a time (two slots, four messages each), so that both have some.
  for (int i = 0; i < 12; ++i) slow.push_back(ask("sleep", R"({"seconds": 2})"));
  std::vector<TaskId> held;
  ASSERT_TRUE(eventually(
      [&] {
        held.clear();
        for (const TaskId& id : slow) {
          const auto info = task_info(id);
          if (!info.empty() && info.at("state") == "STARTED" &&
              info.at("worker") == "worker-1@test") {
            held.push_back(id);
          }
        }
        return !held.empty();
      },
      seconds{30}))
      << "worker-1 took none of the slow tasks\n"
      << whole_state();

  const auto frozen = Steady::now();
  line_->at("worker-1").freeze();
  stand_still();
  ASSERT_TRUE(eventually([&] { return line_->load().open_before(frozen) == 0; }, seconds{60}))
      << "what the frozen worker held does not go on\n"
      << whole_state();
  std::map<TaskId, StoredTask> before;
  for (const TaskId& id : held) {
    ASSERT_TRUE(eventually(
        [&] {
          const auto found = line_->store().results().find(id);
          return found && found->state == TaskState::Success;
        },
        seconds{60}))
        << id.str() << " has no result\n"
        << whole_state();
    before[id] = line_->store().results().find(id).value();
    EXPECT_EQ(before[id].worker, "worker-2@test");
    EXPECT_EQ(before[id].run, 1);
  }
  const auto woken = Steady::now();
  line_->at("worker-1").thaw();

  // It works again: a task of its own comes to its end. By then its old ones have long been let go.
  ASSERT_TRUE(eventually(
      [&] {
        for (const Asked& each : line_->load().asked()) {
          if (each.given < woken || !each.took) continue;
          const auto found = line_->store().results().find(each.id);
          if (found && found->worker == "worker-1@test") return true;
        }
        return false;
      },
      seconds{60}))
      << "the woken worker does no work\n"
      << whole_state();

  settle();
  for (const auto& [id, stored] : before) {
    const auto after = line_->store().results().find(id).value();
    EXPECT_EQ(after.run, stored.run);
    EXPECT_EQ(after.worker, stored.worker);
    EXPECT_EQ(after.sequence, stored.sequence);
    EXPECT_EQ(after.done, stored.done);
  }
}

// Another scheduler goes on without a hole; the woken one fires nothing a second time.
TEST_F(Frozen, SchedulerIsReplacedByAnother) {
  LineOptions options;
  options.schedulers = 2;
  start(std::move(options));
  const auto beats = [&](WallTime from, WallTime to) {
    std::set<WallTime> dues;
    for (const TickRecord& tick : line_->store().ticks().recent(100'000).value()) {
      if (tick.schedule == "beat" && tick.outcome == TickOutcome::Enqueued && tick.due > from &&
          tick.due <= to) {
        dues.insert(tick.due);
      }
    }
    return dues.size();
  };
  ASSERT_TRUE(eventually([&] { return beats({}, clock_.wall()) >= 2; }, seconds{30}))
      << "the schedule does not fire\n"
      << whole_state();

  const auto from = clock_.wall();
  line_->at("scheduler").freeze();
  stand_still();
  const auto to = clock_.wall() - seconds{1};
  const auto due = static_cast<std::size_t>((to - from) / seconds{1});
  EXPECT_GE(beats(from, to), due) << "of the instants while one scheduler stood still";
  line_->at("scheduler").thaw();

  settle();
}

// Alone: what it slept through is caught up once, the rest written down as missed.
TEST_F(Frozen, SchedulerAloneCatchesUpOnce) {
  start();
  ASSERT_TRUE(eventually([&] { return line_->store().ticks().latest("beat").value().has_value(); },
                         seconds{30}))
      << "the schedule does not fire\n"
      << whole_state();

  line_->at("scheduler").freeze();
  stand_still();
  const auto woken = clock_.wall();
  line_->at("scheduler").thaw();

  EXPECT_TRUE(eventually(line_->works_again("scheduler", Steady::now(), woken), seconds{30}))
      << "the woken scheduler does not fire\n"
      << whole_state();
  settle();
  std::uint64_t missed = 0;
  for (const TickRecord& tick : line_->store().ticks().recent(100'000).value()) {
    if (tick.schedule == "beat" && tick.outcome == TickOutcome::Missed) missed += tick.missed;
  }
  EXPECT_GE(missed, static_cast<std::uint64_t>(time_ / seconds{1}) - 3);
}

// Nothing is missing afterwards, and the chart does not say that nothing happened while nobody
// looked: the seconds are filled in from the events, or are gaps.
TEST_F(Frozen, CollectorLosesNothingAndDoesNotTakeItsSleepForIdleness) {
  start();
  ASSERT_TRUE(eventually(
      [&] {
        const auto document = overview();
        return !document.empty() && document.at("totals").at("succeeded").to_number<int>() > 20;
      },
      seconds{30}))
      << "the collector does not count more than 20 tasks that succeeded\n"
      << whole_state();

  const auto frozen = clock_.wall();
  line_->at("collector").freeze();
  stand_still();
  const auto thawed = clock_.wall();
  const auto woken = Steady::now();
  line_->at("collector").thaw();

  EXPECT_TRUE(eventually(line_->works_again("collector", woken, thawed), seconds{30}))
      << "the woken collector does not tell of a task that it took in\n"
      << whole_state();
  // A page that is open hears of it within its next change.
  std::string said;
  EXPECT_TRUE(eventually([&] { return falsely_idle(frozen, thawed, said) == 0; }))
      << "seconds in which tasks ran are shown as seconds without any: " << said;
  std::cout << said << '\n';

  settle();
}

// Requests to the API wait or fail while it stands still; the simulator too may hang in the middle
// of an answer.
TEST_F(Frozen, SimulatorHangsAndSubmissionsCatchUp) {
  start();
  ASSERT_TRUE(
      eventually([&] { return line_->store().submissions().count().value() > 3; }, seconds{30}))
      << "no submissions are fetched\n"
      << whole_state();

  line_->at("simulator").freeze();
  stand_still();
  const auto thawed = clock_.wall();
  line_->at("simulator").thaw();

  EXPECT_TRUE(eventually(line_->works_again("simulator", Steady::now(), thawed), seconds{90}))
      << "no submission is fetched after the simulator woke\n"
      << whole_state();
  settle();
}

}  // namespace
}  // namespace umbel::e2e
