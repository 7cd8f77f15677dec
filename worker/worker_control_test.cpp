// A worker that is asked and told by remote control, through the broker's port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <vector>

#include "control/election.hpp"
#include "control_client.hpp"
#include "stand.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class WorkerControlTest : public ::testing::Test {
 protected:
  WorkerControlTest() {
    stand.options.mingle = false;
    stand.tasks.add("noop", std::function{[this](TaskContext& context) {
                      const std::lock_guard lock{mutex};
                      ran.push_back(context.id().str());
                      started.push_back(Steady::now());
                    }},
                    {});
    stand.tasks.add("wait", std::function{[this](TaskContext&, int) {
                      ++running;
                      EXPECT_TRUE(eventually([&] { return go.load(); }, 30s));
                    }},
                    {{"n", 0}});
    stand.tasks.add("until_told", std::function{[this](TaskContext& context) {
                      ++running;
                      while (context.sleep_for(1000ms)) {
                      }
                    }},
                    {});
  }
  ~WorkerControlTest() override { go = true; }

  TaskId send_at(WallTime eta) {
    celery::TaskMessage task;
    task.task = "noop";
    task.eta = eta;
    return stand.send(task);
  }
  std::size_t count() {
    const std::lock_guard lock{mutex};
    return ran.size();
  }
  bool received(const TaskId& id) {
    return eventually([&] { return !stand.events_of(id).empty(); });
  }

  std::mutex mutex;
  std::vector<std::string> ran;
  std::vector<Steady::time_point> started;
  std::atomic<int> running{0};
  std::atomic<bool> go{false};
  Stand stand;  // its workers run the tasks above
  ControlClient client{*stand.broker};
};

TEST_F(WorkerControlTest, every_command_answers) {
  const auto worker = stand.start();
  for (const char* method :
       {"ping",         "clock",     "active",        "reserved",  "scheduled",     "revoked",
        "registered",   "stats",     "conf",          "report",    "active_queues", "memsample",
        "memdump",      "objgraph",  "enable_events", "heartbeat", "pool_grow",     "pool_shrink",
        "pool_restart", "autoscale", "nosuch"}) {
    EXPECT_FALSE(client.text(method).empty()) << method;
  }
  EXPECT_EQ(client.text("ping"), R"({"ok": "pong"})");
  EXPECT_EQ(client.text("nosuch"), R"J({"error": "KeyError('nosuch')"})J");
  EXPECT_EQ(client.text("pool_restart"),
            R"J({"error": "ValueError('Pool restarts not enabled')"})J");
  EXPECT_EQ(client.text("autoscale"), R"J({"error": "ValueError('Autoscale not enabled')"})J");
  EXPECT_THAT(client.text("active_queues"), HasSubstr(R"("name": "umbel")"));
  EXPECT_EQ(client.text("registered"), R"(["noop", "until_told", "wait"])");
  const auto counted = [&](const char* method, const char* result) {
    return stand.metrics.counter(metrics::kControlRequests, {method, result}).Value();
  };
  EXPECT_EQ(counted("ping", "ok"), 2);
  EXPECT_EQ(counted("other", "error"), 2);
}

TEST_F(WorkerControlTest, shows_what_runs_waits_and_is_scheduled) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto first = stand.send("wait", "[7]");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  const auto second = stand.send("wait", "[8]");
  const auto third = send_at(stand.clock.wall() + 10min);
  ASSERT_TRUE(received(second) && received(third));
  const auto active = client.ask("active").as_array();
  ASSERT_THAT(active, SizeIs(1));
  EXPECT_EQ(active[0].at("id").as_string(), first.str());
  EXPECT_EQ(celery::to_json(active[0].at("args")), "[7]");
  EXPECT_TRUE(active[0].at("time_start").is_double());
  EXPECT_EQ(active[0].at("worker_pid").as_int64(), getpid());
  EXPECT_EQ(client.ask("active", R"({"safe": true})").at(0).at("args").as_string(), "(7,)");
  ASSERT_TRUE(eventually([&] { return client.ask("reserved").as_array().size() == 1; }));
  EXPECT_EQ(client.ask("reserved").at(0).at("id").as_string(), second.str());
  const auto scheduled = client.ask("scheduled").as_array();
  ASSERT_THAT(scheduled, SizeIs(1));
  EXPECT_EQ(scheduled[0].at("request").at("id").as_string(), third.str());
  EXPECT_EQ(scheduled[0].at("priority").as_int64(), 6);
  const auto ids =
      boost::json::object{{"ids", boost::json::array{first.str(), second.str(), "nobody"}}};
  const auto found = client.ask("query_task", celery::to_json(ids)).as_object();
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at(first.str()).at(0).as_string(), "active");
  EXPECT_EQ(found.at(second.str()).at(0).as_string(), "reserved");
  const auto stats = client.ask("stats");
  EXPECT_EQ(stats.at("total").at("wait").as_int64(), 1);
  EXPECT_EQ(stats.at("prefetch_count").as_int64(), 5);  // four, and what waits for its eta
  EXPECT_TRUE(stats.at("clock").is_string());
  go = true;
  EXPECT_EQ(stand.result_of(second).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return client.ask("active").as_array().empty(); }));
}

TEST_F(WorkerControlTest, only_who_is_meant_answers) {
  const auto one = stand.start();
  stand.options.name = WorkerName{"w2@test"};
  const auto two = stand.start();
  EXPECT_THAT(client.ask(ControlClient::request("ping"), 2), SizeIs(2));
  auto request = ControlClient::request("ping");
  request.destination = {"w2@test"};
  EXPECT_EQ(client.ask(request).begin()->first, "w2@test");
  request.destination.clear();
  request.pattern = "w1*";
  request.matcher = "glob";
  EXPECT_EQ(client.ask(request).begin()->first, "w1@test");
  request.pattern = "w[2]@.*";
  request.matcher = "pcre";
  EXPECT_EQ(client.ask(request).begin()->first, "w2@test");
}

TEST_F(WorkerControlTest, a_poisoned_request_does_not_end_it) {
  const auto worker = stand.start();
  const auto broadcast = [&](const std::string& body) {
    Message message;
    message.content_type = "application/json";
    message.content_encoding = "utf-8";
    message.headers = "{}";
    message.body = body;
    EXPECT_TRUE(stand.broker->broadcast(message));
  };
  for (const char* body :
       {"", "[]", "null", "{", R"({"method": 5})", R"({"arguments": {}})",
        R"({"method": "ping", "destination": "w1@test"})",
        R"({"method": "ping", "reply_to": {"exchange": "x"}})",
        R"({"method": "ping", "pattern": "(", "matcher": "pcre"})",
        R"({"method": "revoke", "arguments": {"task_id": {"a": []}}})",
        R"({"method": "hello", "arguments": {"from_node": "x", "revoked": {"a": {}}}})",
        R"({"method": "rate_limit", "arguments": {"task_name": [], "rate_limit": {}}})"}) {
    broadcast(body);
  }
  Message pickled;
  pickled.content_type = "application/x-python-serialize";
  pickled.body = "\x80\x04";
  EXPECT_TRUE(stand.broker->broadcast(pickled));
  EXPECT_EQ(client.text("ping"), R"({"ok": "pong"})");
  EXPECT_GE(stand.metrics.counter(metrics::kControlRequests, {"other", "invalid"}).Value(), 9);
}

TEST_F(WorkerControlTest, drops_what_was_revoked_before_it_came) {
  const auto worker = stand.start();
  celery::TaskMessage task;
  task.task = "noop";
  task.id = TaskId{"known-before"};
  (void)client.ask("revoke", R"({"task_id": "known-before"})");
  const auto id = stand.send(task);
  EXPECT_THAT(stand.types_of(id, TaskEventType::Revoked), ElementsAre(TaskEventType::Revoked));
  const auto event = stand.events_of(id).back();
  EXPECT_EQ(event.terminated, false);
  EXPECT_EQ(event.expired, false);
  EXPECT_EQ(event.signum, std::nullopt);
  const auto row = stand.result_of(id);
  EXPECT_EQ(row.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(row, "exc_type"), "TaskRevokedError");
  EXPECT_EQ(Stand::field(row, "exc_message"), "revoked");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_EQ(count(), 0U);
}

TEST_F(WorkerControlTest, drops_what_is_revoked_while_it_waits) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  (void)stand.send("wait");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  const auto id = stand.send("noop");
  ASSERT_TRUE(received(id));
  EXPECT_THAT(client.text("revoke", R"({"task_id": ")" + id.str() + R"("})"),
              HasSubstr("flagged as revoked"));
  EXPECT_THAT(client.text("revoked"), HasSubstr(id.str()));
  go = true;
  EXPECT_THAT(stand.types_of(id, TaskEventType::Revoked),
              ElementsAre(TaskEventType::Received, TaskEventType::Revoked));
  EXPECT_EQ(Stand::field(stand.result_of(id), "exc_message"), "revoked");
  EXPECT_EQ(count(), 0U);
}

TEST_F(WorkerControlTest, drops_what_is_revoked_while_it_waits_for_its_eta) {
  const auto worker = stand.start();
  const auto id = send_at(stand.clock.wall() + 1500ms);
  ASSERT_TRUE(received(id));
  (void)client.ask("revoke", R"({"task_id": [")" + id.str() + R"("]})");
  EXPECT_THAT(client.ask("scheduled").as_array(), SizeIs(1));  // until its time, as in Celery
  EXPECT_EQ(stand.result_of(id).state, TaskState::Revoked);
  EXPECT_EQ(count(), 0U);
}

TEST_F(WorkerControlTest, drops_what_bears_a_revoked_stamp) {
  const auto worker = stand.start();
  (void)client.ask("revoke_by_stamped_headers", R"({"headers": {"mon": ["m1", "m2"]}})");
  celery::TaskMessage task;
  task.task = "noop";
  task.extra_headers["stamped_headers"] = boost::json::array{"mon"};
  task.extra_headers["stamps"] = boost::json::object{{"mon", boost::json::array{"m2"}}};
  EXPECT_EQ(stand.result_of(stand.send(task)).state, TaskState::Revoked);
  task.id = TaskId{};
  task.extra_headers["stamps"] = boost::json::object{{"mon", boost::json::array{"m3"}}};
  EXPECT_EQ(stand.result_of(stand.send(task)).state, TaskState::Success);
}

// It waits for the store to hear that it starts.
TEST_F(WorkerControlTest, ends_a_task_as_terminated_that_could_not_begin) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  (void)stand.send("wait");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  const auto id = stand.send("noop");
  ASSERT_TRUE(received(id));
  stand.store.faulty.out = true;
  go = true;
  ASSERT_TRUE(eventually([&] {
    const auto active = client.ask("active").as_array();
    return active.size() == 1 && active[0].at("id").as_string() == id.str();
  }));
  (void)client.ask("terminate", R"({"signal": "TERM", "task_id": ")" + id.str() + "\"}");
  stand.store.faulty.out = false;
  EXPECT_EQ(stand.result_of(id).state, TaskState::Revoked);
  EXPECT_EQ(count(), 0U);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerControlTest, refuses_by_name_what_the_embedded_broker_cannot_do) {
  const auto worker = stand.start();
  EXPECT_THAT(client.text("add_consumer", R"({"queue": "extra", "exchange": "shapes"})"),
              AllOf(HasSubstr("ValueError"), HasSubstr("`extra`"), HasSubstr("no exchanges")));
  EXPECT_THAT(client.text("active_queues"), Not(HasSubstr("extra")));
  EXPECT_EQ(client.text("add_consumer", R"({"queue": "extra", "exchange": "extra", )"
                                        R"("exchange_type": "direct", "routing_key": "extra"})"),
            R"({"ok": "add consumer extra"})");
}

TEST_F(WorkerControlTest, tells_a_running_task_to_stop_and_ends_it_as_terminated) {
  const auto worker = stand.start();
  const auto id = stand.send("until_told");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  EXPECT_EQ(client.text("revoke", R"({"task_id": ")" + id.str() +
                                      R"(", "terminate": true, "signal": "TERM"})"),
            R"({"ok": "terminate: )" + id.str() + R"("})");
  const auto row = stand.result_of(id);
  EXPECT_EQ(row.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(row, "exc_message"), "terminated");
  ASSERT_EQ(stand.types_of(id, TaskEventType::Revoked).back(), TaskEventType::Revoked);
  const auto event = stand.events_of(id).back();
  EXPECT_EQ(event.terminated, true);
  EXPECT_EQ(event.signum, "15");
  EXPECT_EQ(event.expired, false);
  EXPECT_THAT(stand.lines("cannot be killed"), SizeIs(1));
}

TEST_F(WorkerControlTest, keeps_to_a_rate) {
  stand.options.prefetch_multiplier = 10;
  const auto worker = stand.start();
  EXPECT_EQ(client.text("rate_limit", R"({"task_name": "noop", "rate_limit": "10/s"})"),
            R"({"ok": "new rate limit set successfully"})");
  for (int i = 0; i < 10; ++i) (void)stand.send("noop");
  EXPECT_TRUE(eventually([&] { return !client.ask("reserved").as_array().empty(); }));
  EXPECT_TRUE(eventually([&] { return count() == 10; }, 30s));
  {
    const std::lock_guard lock{mutex};
    EXPECT_GE(started.back() - started.front(), 750ms);  // two may pass at once
  }
  EXPECT_EQ(client.text("rate_limit", R"({"task_name": "noop", "rate_limit": "1/h"})"),
            R"({"ok": "new rate limit set successfully"})");
  for (int i = 0; i < 5; ++i) (void)stand.send("noop");
  ASSERT_TRUE(eventually([&] { return client.ask("reserved").as_array().size() >= 3; }));
  // Whoever waits for the old rate waits for the new one from now on.
  EXPECT_EQ(client.text("rate_limit", R"({"task_name": "noop", "rate_limit": "100/s"})"),
            R"({"ok": "new rate limit set successfully"})");
  EXPECT_TRUE(eventually([&] { return count() == 15; }));
  EXPECT_EQ(client.text("rate_limit", R"({"task_name": "noop", "rate_limit": "1/h"})"),
            R"({"ok": "new rate limit set successfully"})");
  for (int i = 0; i < 5; ++i) (void)stand.send("noop");
  ASSERT_TRUE(eventually([&] { return client.ask("reserved").as_array().size() >= 3; }));
  EXPECT_EQ(client.text("rate_limit", R"({"task_name": "noop", "rate_limit": 0})"),
            R"({"ok": "rate limit disabled successfully"})");
  EXPECT_TRUE(eventually([&] { return count() == 20; }));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerControlTest, a_stop_gives_back_what_waits_for_its_rate) {
  TaskOptions options;
  options.rate_limit = "1/h";
  stand.tasks.add("rare", std::function{[](TaskContext&) {}}, {}, options);
  auto worker = stand.start();
  EXPECT_THAT(client.text("registered"), HasSubstr("rare [rate_limit=1/h]"));
  for (int i = 0; i < 5; ++i) (void)stand.send("rare");
  ASSERT_TRUE(eventually([&] { return client.ask("reserved").as_array().size() >= 3; }));
  worker->stop();
  EXPECT_GE(stand.queue().ready, 3U);
  EXPECT_EQ(stand.queue().unacked, 0U);
}

TEST_F(WorkerControlTest, the_pool_grows_and_shrinks_under_load_and_loses_nothing) {
  stand.options.concurrency = 2;
  const auto worker = stand.start();
  std::set<std::string> sent;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 25; ++i) sent.insert(stand.send("noop").str());
    const auto* const method = round % 2 == 0 ? "pool_grow" : "pool_shrink";
    EXPECT_THAT(client.text(method, R"({"n": 3})"), HasSubstr("pool will"));
  }
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }, 60s));
  const std::lock_guard lock{mutex};
  EXPECT_EQ(ran.size(), sent.size());
  EXPECT_EQ((std::set<std::string>{ran.begin(), ran.end()}), sent);
}

TEST_F(WorkerControlTest, a_grown_pool_runs_more_at_once_and_holds_more) {
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  for (int i = 0; i < 3; ++i) (void)stand.send("wait");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  EXPECT_EQ(client.text("pool_grow", R"({"n": 2})"), R"({"ok": "pool will grow"})");
  EXPECT_TRUE(eventually([&] { return running == 3; }));
  const auto stats = client.ask("stats");
  EXPECT_EQ(stats.at("pool").at("max-concurrency").as_int64(), 3);
  EXPECT_TRUE(
      eventually([&] { return client.ask("stats").at("prefetch_count").as_int64() == 12; }));
  EXPECT_EQ(client.text("pool_shrink", R"({"n": 2})"), R"({"ok": "pool will shrink"})");
  EXPECT_TRUE(eventually([&] { return client.ask("stats").at("prefetch_count").as_int64() == 4; }));
  go = true;
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(client.text("pool_shrink"), HasSubstr("ValueError"));
}

TEST_F(WorkerControlTest, a_restarted_pool_goes_on) {
  stand.options.pool_restarts = true;
  const auto worker = stand.start();
  (void)stand.send("wait");
  ASSERT_TRUE(eventually([&] { return running == 1; }));
  EXPECT_EQ(client.text("pool_restart"), R"({"ok": "reload started"})");
  EXPECT_EQ(stand.result_of(stand.send("noop")).state, TaskState::Success);
  go = true;
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_EQ(client.ask("stats").at("pool").at("max-concurrency").as_int64(), 2);
}

TEST_F(WorkerControlTest, autoscale_follows_the_load) {
  stand.options.autoscale = {3, 1};
  stand.options.autoscale_every = 20ms;
  stand.options.autoscale_keep = 100ms;
  const auto worker = stand.start();
  for (int i = 0; i < 4; ++i) (void)stand.send("wait");
  EXPECT_TRUE(eventually([&] { return running == 3; }));
  const auto scaler = client.ask("stats").at("autoscaler");
  EXPECT_EQ(scaler.at("max").as_int64(), 3);
  EXPECT_EQ(scaler.at("current").as_int64(), 3);
  EXPECT_THAT(client.text("pool_grow"), HasSubstr("not supported with autoscale"));
  EXPECT_EQ(client.text("autoscale", R"({"max": 4})"), R"({"ok": "autoscale now max=4 min=1"})");
  EXPECT_TRUE(eventually([&] { return running == 4; }));
  go = true;
  EXPECT_TRUE(eventually(
      [&] { return client.ask("stats").at("autoscaler").at("current").as_int64() == 1; }));
}

TEST_F(WorkerControlTest, takes_from_a_queue_that_was_added_until_it_is_cancelled) {
  const auto worker = stand.start();
  EXPECT_EQ(client.text("add_consumer", R"({"queue": "extra"})"),
            R"({"ok": "add consumer extra"})");
  EXPECT_THAT(client.text("active_queues"), HasSubstr(R"("name": "extra")"));
  celery::TaskMessage task;
  task.task = "noop";
  EXPECT_EQ(stand.result_of(stand.send(task, "extra")).state, TaskState::Success);
  EXPECT_EQ(client.text("cancel_consumer", R"({"queue": "extra"})"),
            R"({"ok": "no longer consuming from extra"})");
  EXPECT_THAT(client.text("active_queues"), Not(HasSubstr("extra")));
  (void)stand.send(task, "extra");
  EXPECT_EQ(stand.result_of(stand.send("noop")).state, TaskState::Success);
  EXPECT_EQ(stand.queue("extra").ready, 1U);
}

TEST_F(WorkerControlTest, tells_of_tasks_only_while_that_is_wanted) {
  const auto worker = stand.start();
  EXPECT_EQ(client.text("disable_events"), R"({"ok": "task events disabled"})");
  const auto silent = stand.send("noop");
  EXPECT_EQ(stand.result_of(silent).state, TaskState::Success);
  EXPECT_EQ(client.text("enable_events"), R"({"ok": "task events enabled"})");
  const auto told = stand.send("noop");
  EXPECT_EQ(stand.types_of(told, TaskEventType::Succeeded).size(), 3U);
  EXPECT_THAT(stand.events_of(silent), IsEmpty());
}

TEST_F(WorkerControlTest, its_events_bear_a_rising_clock_and_who_it_is) {
  const auto worker = stand.start();
  EXPECT_EQ(stand.result_of(stand.send("noop")).state, TaskState::Success);
  (void)client.ask("clock");
  ASSERT_TRUE(
      eventually([&] { return stand.worker_events(WorkerEventType::Heartbeat).size() >= 2; }));
  std::int64_t last = 0;
  for (const auto& event : stand.events()) {
    std::visit(
        [&](const auto& one) {
          ASSERT_TRUE(one.origin.clock.has_value());
          EXPECT_GT(*one.origin.clock, last);
          last = *one.origin.clock;
        },
        event);
  }
  const auto beat = stand.worker_events(WorkerEventType::Heartbeat).back();
  EXPECT_EQ(beat.sw_ident, "umbel");
  EXPECT_EQ(beat.sw_sys, "Linux");
  EXPECT_TRUE(beat.sw_ver && beat.active && beat.processed && beat.loadavg);
}

TEST_F(WorkerControlTest, a_heartbeat_comes_when_it_is_asked_for) {
  stand.options.heartbeat = 1h;
  const auto worker = stand.start();
  EXPECT_EQ(client.text("heartbeat"), "null");
  EXPECT_TRUE(
      eventually([&] { return stand.worker_events(WorkerEventType::Heartbeat).size() == 1; }));
}

TEST_F(WorkerControlTest, a_worker_that_starts_learns_what_is_revoked) {
  const auto one = stand.start();
  (void)client.ask("revoke", R"({"task_id": "gone"})");
  stand.options.name = WorkerName{"w2@test"};
  stand.options.mingle = stand.options.mingle_first = true;
  stand.options.queues = {QueueName{"second"}};
  const auto two = stand.start();
  celery::TaskMessage task;
  task.task = "noop";
  task.id = TaskId{"gone"};
  EXPECT_EQ(stand.result_of(stand.send(task, "second")).state, TaskState::Revoked);
  auto request = ControlClient::request("revoked");
  request.destination = {"w2@test"};
  EXPECT_EQ(celery::to_json(client.ask(request).at("w2@test")), R"(["gone"])");
  EXPECT_THAT(stand.lines("synchronised with other workers"), SizeIs(1));
}

// Celery's gossip: it votes at once, with a clock beyond the others', so that one of them wins.
TEST_F(WorkerControlTest, votes_in_an_election_to_lose_it) {
  const auto worker = stand.start();
  EXPECT_EQ(client.text("election", R"({"id": "i", "topic": "task"})"), "null");
  ASSERT_TRUE(eventually([&] { return stand.worker_events(WorkerEventType::Other).size() == 1; }));
  const auto vote = stand.worker_events(WorkerEventType::Other).front();
  EXPECT_EQ(vote.origin.hostname, "w1@test");
  EXPECT_GT(vote.origin.clock.value_or(0), kLosingClock);
  EXPECT_LT(client.ask("clock").at("clock").as_int64(), kLosingClock);  // its own stays
}

TEST_F(WorkerControlTest, takes_no_part_in_elections_without_gossip) {
  stand.options.gossip = false;
  const auto worker = stand.start();
  EXPECT_EQ(client.text("election", R"({"id": "i", "topic": "task"})"), "null");
  EXPECT_THAT(stand.worker_events(WorkerEventType::Other), IsEmpty());
}

TEST_F(WorkerControlTest, what_is_revoked_survives_a_restart_with_a_state_file) {
  stand.options.state_file = stand.dir.file("state");
  auto worker = stand.start();
  (void)client.ask("revoke", R"({"task_id": "gone"})");
  worker->stop();
  worker = stand.start();
  EXPECT_EQ(client.text("revoked"), R"(["gone"])");
}

TEST_F(WorkerControlTest, what_waits_for_its_eta_leaves_room_for_others) {
  stand.options.concurrency = 1;
  stand.options.prefetch_multiplier = 2;
  const auto worker = stand.start();
  const auto eta = stand.clock.wall() + 10min;
  for (int i = 0; i < 10; ++i) (void)send_at(eta);
  ASSERT_TRUE(eventually([&] { return client.ask("scheduled").as_array().size() == 10; }));
  EXPECT_EQ(stand.result_of(stand.send("noop")).state, TaskState::Success);
  EXPECT_EQ(client.ask("stats").at("prefetch_count").as_int64(), 12);
}

TEST_F(WorkerControlTest, limits_of_time_hold_for_runs_that_start_later) {
  const auto worker = stand.start();
  EXPECT_EQ(client.text("time_limit", R"({"task_name": "until_told", "soft": 0.1, "hard": null})"),
            R"({"ok": "time limits set successfully"})");
  const auto row = stand.result_of(stand.send("until_told"));
  EXPECT_EQ(row.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(row, "exc_type"), "SoftTimeLimitExceeded");
}

TEST_F(WorkerControlTest, ends_the_program_when_that_is_asked) {
  std::atomic<int> ended{0};
  stand.options.shut_down = [&] { ++ended; };
  const auto worker = stand.start();
  client.tell("shutdown");
  EXPECT_TRUE(eventually([&] { return ended == 1; }));
  EXPECT_THAT(stand.lines("shutdown by remote control"), SizeIs(1));
}

TEST_F(WorkerControlTest, writes_are_in_the_log) {
  const auto worker = stand.start();
  (void)client.ask("revoke", R"({"task_id": "abc"})");
  ASSERT_TRUE(eventually([&] { return !stand.lines("method=revoke").empty(); }));
  EXPECT_THAT(stand.lines("method=revoke").front(), HasSubstr("abc"));
  EXPECT_THAT(stand.lines("method=revoke").front(), HasSubstr("ticket="));
}

}  // namespace
}  // namespace umbel::testing
