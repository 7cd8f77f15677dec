// The schedule over HTTP: what it shows, and pausing, resuming, running by hand.
#include "schedule_api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "http_session.hpp"
#include "umbel/base/text.hpp"
#include "umbel/model/cron.hpp"
#include "umbel/testing/fake_clock.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

ScheduleCard card(const std::string& name, const std::string& expression = "every 30s",
                  const std::string& zone = "") {
  return {.name = name,
          .task = "demo.add",
          .args = "[1, 2]",
          .kwargs = R"({"x": 3})",
          .queue = "mail",
          .expression = expression,
          .zone = zone,
          .definition = expression,
          .description = {},
          .enabled = true};
}

class ScheduleApiTest : public CollectorSession {
 protected:
  void SetUp() override { start(); }
  void publish(const std::vector<ScheduleCard>& cards) {
    ASSERT_TRUE(engines.store->schedules().publish("s1", cards, now()));
  }
  json::object entry(const std::string& name) {
    const auto answer = ask_json("/api/schedule");
    for (const auto& each : answer.at("entries").as_array()) {
      if (each.at("name").as_string() == name) return each.as_object();
    }
    throw std::runtime_error{"no entry " + name};
  }
  TaskId tick(const std::string& schedule, WallTime due) {
    TickedTask ticked;
    ticked.request.name = "demo.add";
    ticked.tick = Tick{.schedule = schedule, .due = due};
    return enqueuer.submit_ticks({&ticked, 1}).value().front().value().id;
  }
};

TEST_F(ScheduleApiTest, an_entry_says_everything_about_itself) {
  publish({card("a"), card("b", "0 6 * * mon-fri", "Europe/Berlin")});
  const auto answer = ask_json("/api/schedule");
  EXPECT_EQ(answer.at("entries").as_array().size(), 2U);
  EXPECT_TRUE(answer.at("error").is_null());
  EXPECT_NEAR(answer.at("scheduler").at("last_seen").to_number<double>(), to_unix_seconds(now()),
              60);
  const auto a = entry("a");
  EXPECT_EQ(a.at("words").as_string(), "every 30 seconds");
  EXPECT_TRUE(a.at("zone").is_null());
  EXPECT_EQ(json::serialize(a.at("args")), "[1,2]");
  EXPECT_TRUE(a.at("paused").is_null());
  EXPECT_TRUE(a.at("last_due").is_null());
  EXPECT_TRUE(a.at("lag_p99").is_null());
  ASSERT_EQ(a.at("next").as_array().size(), 5U);
  const auto first = a.at("next").at(0).to_number<double>();
  EXPECT_EQ(std::fmod(first, 30), 0);
  EXPECT_EQ(a.at("next").at(4).to_number<double>(), first + 120);
  EXPECT_EQ(a.at("strip").at("cells").as_array().size(), 48U);
  const auto b = entry("b");
  EXPECT_EQ(b.at("words").as_string(), "at 06:00 on weekdays");
  EXPECT_EQ(b.at("zone").as_string(), "Europe/Berlin");
  const auto berlin = schedule_from("0 6 * * mon-fri", "Europe/Berlin").value();
  EXPECT_EQ(b.at("next").at(0).to_number<double>(),
            to_unix_seconds(next_after(berlin, now()).value()));
}

TEST_F(ScheduleApiTest, a_name_may_have_slashes) {
  publish({card("mail/run"), card("mail")});
  EXPECT_EQ(ask("/api/schedule/mail%2Frun/pause", "POST", R"({"reason": "x"})").status, 200);
  EXPECT_FALSE(entry("mail/run").at("paused").is_null());
  EXPECT_TRUE(entry("mail").at("paused").is_null());
  EXPECT_EQ(ask("/api/schedule/mail/run/resume", "POST").status, 200);
  EXPECT_TRUE(entry("mail/run").at("paused").is_null());
  EXPECT_EQ(ask("/api/schedule/mail%2Frun/ticks").status, 200);
  EXPECT_EQ(ask("/api/schedule/mail%2Frun/run", "POST").status, 200);
  EXPECT_EQ(ask("/api/schedule/mail%2Fother/ticks").status, 404);
  EXPECT_EQ(ask_json("/api/audit?object=mail/run").at("entries").as_array().size(), 3U);
}

TEST_F(ScheduleApiTest, an_empty_book_is_no_error) {
  const auto answer = ask_json("/api/schedule");
  EXPECT_TRUE(answer.at("entries").as_array().empty());
  EXPECT_TRUE(answer.at("scheduler").at("last_seen").is_null());
}

TEST_F(ScheduleApiTest, ticks_are_told_with_their_tasks_and_counted_in_the_strip) {
  publish({card("a")});
  const auto due = now() - seconds{5};
  const auto failed = tick("a", due - seconds{60});
  const auto waits = tick("a", due);
  FinishedRun run;
  run.id = failed;
  run.name = "demo.add";
  run.queue = QueueName{"umbel"};
  run.state = TaskState::Failure;
  run.result = "null";
  run.worker = "w1@host";
  run.runtime = 0.5;
  run.done = now();
  ASSERT_TRUE(engines.store->results().finish({&run, 1}));
  const auto answer = ask_json("/api/schedule/a/ticks?limit=10");
  ASSERT_EQ(answer.at("ticks").as_array().size(), 2U);
  const auto& newest = answer.at("ticks").at(0);
  EXPECT_EQ(newest.at("task").as_string(), waits.str());
  EXPECT_EQ(newest.at("outcome").as_string(), "enqueued");
  EXPECT_EQ(newest.at("state").as_string(), "PENDING");
  EXPECT_NEAR(newest.at("lag").to_number<double>(), 5, 4.9);
  EXPECT_EQ(answer.at("ticks").at(1).at("state").as_string(), "FAILURE");
  EXPECT_EQ(answer.at("ticks").at(1).at("runtime").to_number<double>(), 0.5);
  const auto a = entry("a");
  std::int64_t failures = 0, waiting = 0;
  for (const auto& cell : a.at("strip").at("cells").as_array()) {
    failures += cell.at("failed").to_number<std::int64_t>();
    waiting += cell.at("waiting").to_number<std::int64_t>();
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(waiting, 1);
  EXPECT_EQ(a.at("last_task").as_string(), waits.str());
  EXPECT_GT(a.at("lag_p99").to_number<double>(), 59);
  EXPECT_EQ(ask("/api/schedule/none/ticks").status, 404);
  EXPECT_EQ(ask("/api/schedule/a/ticks?limit=0").status, 400);
}

TEST_F(ScheduleApiTest, a_pause_is_kept_with_its_reason_until_the_resume) {
  publish({card("a")});
  const auto paused = ask("/api/schedule/a/pause", "POST", R"({"reason": "migration"})");
  ASSERT_EQ(paused.status, 200) << paused.body;
  const auto told = json::parse(paused.body);
  EXPECT_EQ(told.at("paused").at("reason").as_string(), "migration");
  EXPECT_TRUE(told.at("next").as_array().empty());
  EXPECT_EQ(engines.store->schedules().pauses().value().front().reason, "migration");
  const auto resumed = ask("/api/schedule/a/resume", "POST");
  ASSERT_EQ(resumed.status, 200) << resumed.body;
  EXPECT_TRUE(json::parse(resumed.body).at("paused").is_null());
  EXPECT_TRUE(engines.store->schedules().pauses().value().empty());
  const auto lines = ask_json("/api/audit").at("entries").as_array();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("action").as_string(), "schedule.resume");
  EXPECT_EQ(lines[1].at("action").as_string(), "schedule.pause");
  EXPECT_EQ(lines[1].at("detail").as_string(), "migration");
}

TEST_F(ScheduleApiTest, what_cannot_be_paused_is_said) {
  publish({card("a")});
  EXPECT_EQ(ask("/api/schedule/none/pause", "POST").status, 404);
  EXPECT_EQ(ask("/api/schedule/none/resume", "POST").status, 404);
  EXPECT_EQ(ask("/api/schedule/none/run", "POST").status, 404);
  EXPECT_EQ(ask("/api/schedule/a/pause", "POST", "[]").status, 400);
  EXPECT_EQ(ask("/api/schedule/a/pause", "POST", R"({"reason": 1})").status, 400);
  EXPECT_EQ(ask("/api/schedule/a/pause", "POST", R"({"reason": ")" + std::string(501, 'x') + "\"}")
                .status,
            400);
  EXPECT_TRUE(engines.store->schedules().pauses().value().empty());
}

TEST_F(ScheduleApiTest, run_now_is_a_task_of_its_own_and_no_tick) {
  publish({card("a")});
  const auto response = ask("/api/schedule/a/run", "POST");
  ASSERT_EQ(response.status, 200) << response.body;
  const auto id = std::string{json::parse(response.body).at("task-id").as_string()};
  const auto found = engines.store->results().find(TaskId{id}).value();
  EXPECT_EQ(found.name, "demo.add");
  EXPECT_EQ(found.queue, QueueName{"mail"});
  EXPECT_THAT(engines.store->results().arguments(TaskId{id})->body.value(),
              HasSubstr(R"([[1, 2], {"x": 3})"));
  EXPECT_FALSE(engines.store->ticks().latest("a").value().has_value());
  const auto line = ask_json("/api/audit?object=a").at("entries").at(0);
  EXPECT_EQ(line.at("action").as_string(), "schedule.run");
  EXPECT_EQ(line.at("detail").as_string(), id);
}

TEST(TickStripsTest, looks_at_what_lies_back_once_a_minute_and_leaves_out_what_takes_too_long) {
  TestEngines engines;
  testing::FakeClock clock;
  Enqueuer enqueuer{*engines.store, *engines.broker, clock, Log::none(), "gen1@host"};
  TickStrips strips{engines.store->ticks(), clock};
  const auto tick = [&](WallTime due) {
    TickedTask ticked;
    ticked.request.name = "demo.add";
    ticked.tick = Tick{.schedule = "a", .due = due};
    EXPECT_TRUE(enqueuer.submit_ticks({&ticked, 1}).value().front());
  };
  const auto later = [&] { return clock.steady() + seconds{1}; };
  const auto waiting = [&] {
    std::uint64_t sum = 0;
    for (const auto& cell : strips.of("a", clock.wall(), later()).value()) {
      sum += cell.value().waiting;
    }
    return sum;
  };
  tick(clock.wall() - hours{5});
  tick(clock.wall() - hours{25});
  EXPECT_EQ(waiting(), 1U) << "a day";
  tick(clock.wall() - hours{6});
  EXPECT_EQ(waiting(), 1U) << "kept";
  clock.advance(TickStrips::kKept);
  EXPECT_EQ(waiting(), 2U);
  strips.keep({});
  const auto late = strips.of("a", clock.wall(), clock.steady()).value();
  EXPECT_TRUE(std::ranges::none_of(late, [](const auto& cell) { return cell.has_value(); }));
}

}  // namespace
}  // namespace umbel::collector
