// Each command of remote control alone, against what Celery answers on the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "control/commands.hpp"
#include "fake_controlled.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

class ControlCommandsTest : public ::testing::Test {
 protected:
  Answer ask(const std::string& method, const std::string& arguments = "{}") {
    return commands.answer(method, celery::parse_json(arguments).value().as_object());
  }
  std::string text(const std::string& method, const std::string& arguments = "{}") {
    return celery::to_json(ask(method, arguments).value);
  }
  static HeldTask held(const std::string& id) {
    HeldTask task;
    task.id = id;
    task.name = task.type = "cap.sleep";
    task.args = {8};
    task.argsrepr = "(8,)";
    task.kwargsrepr = "{}";
    task.queue = "celery";
    return task;
  }
  static HeldTask running(const std::string& id) {
    auto task = held(id);
    task.started = from_micros(1'795'350'738'683'534);
    task.process = 18604;
    return task;
  }

  FakeControlled worker;
  Commands commands{worker};
};

TEST_F(ControlCommandsTest, answers_ping_and_clock) {
  EXPECT_EQ(text("ping"), R"({"ok": "pong"})");
  EXPECT_EQ(text("ping", R"({"surplus": 1})"), R"({"ok": "pong"})");
  for (int i = 0; i < 34; ++i) worker.lamport.forward();
  EXPECT_EQ(text("clock"), R"({"clock": 34})");
}

TEST_F(ControlCommandsTest, names_an_unknown_method_as_python_does) {
  const auto answer = ask("nosuch");
  EXPECT_EQ(celery::to_json(answer.value), R"J({"error": "KeyError('nosuch')"})J");
  EXPECT_EQ(answer.method, "other");
  EXPECT_TRUE(answer.failed);
}

TEST_F(ControlCommandsTest, refuses_arguments_as_a_python_function_would) {
  EXPECT_EQ(
      text("revoke"),
      R"J({"error": "TypeError(\"revoke() missing 1 required positional argument: 'task_id'\")"})J");
  EXPECT_EQ(text("rate_limit"), R"({"error": "TypeError(\"rate_limit() missing 2 required )"
                                R"J(positional arguments: 'task_name' and 'rate_limit'\")"})J");
  EXPECT_EQ(text("report", R"({"x": 1})"),
            R"J({"error": "TypeError(\"report() got an unexpected keyword argument 'x'\")"})J");
  EXPECT_THAT(text("enable_events", R"({"x": 1})"), HasSubstr("TypeError"));
  EXPECT_THAT(text("pool_grow", R"({"n": "many"})"), HasSubstr("must be a whole number"));
  EXPECT_THAT(text("revoke", R"({"task_id": 5})"), HasSubstr("TypeError"));
}

TEST_F(ControlCommandsTest, lists_what_runs_with_all_that_celery_tells) {
  worker.active_tasks = {running("a-1")};
  EXPECT_EQ(
      text("active"),
      R"([{"id": "a-1", "name": "cap.sleep", "args": [8], "kwargs": {}, "type": "cap.sleep", )"
      R"("hostname": "w1@cap", "time_start": 1795350738.683534, "acknowledged": false, )"
      R"("delivery_info": {"exchange": "", "routing_key": "celery", "priority": 0, )"
      R"("redelivered": false}, "worker_pid": 18604}])");
  EXPECT_THAT(text("active", R"({"safe": true})"),
              HasSubstr(R"J("args": "(8,)", "kwargs": "{}")J"));
  EXPECT_EQ(text("dump_active"), text("active"));
}

TEST_F(ControlCommandsTest, lists_what_waits) {
  worker.reserved_tasks = {held("r-1")};
  auto later = held("s-1");
  later.eta = from_micros(1'795'350'738'671'291);
  worker.scheduled_tasks = {later};
  EXPECT_THAT(text("reserved"), HasSubstr(R"("time_start": null)"));
  EXPECT_THAT(text("reserved"), HasSubstr(R"("worker_pid": null)"));
  EXPECT_THAT(text("scheduled"), StartsWith(R"([{"eta": "2026-11-22T)"));
  EXPECT_THAT(text("scheduled"), HasSubstr(R"(+00:00", "priority": 6, "request": {"id": "s-1")"));
}

TEST_F(ControlCommandsTest, finds_tasks_by_id) {
  worker.active_tasks = {running("a-1")};
  worker.reserved_tasks = {held("r-1")};
  const auto found = ask("query_task", R"({"ids": ["a-1", "r-1", "z"]})").value.as_object();
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at("a-1").as_array()[0].as_string(), "active");
  EXPECT_EQ(found.at("r-1").as_array()[0].as_string(), "reserved");
  EXPECT_EQ(ask("query_task", R"({"ids": "r-1"})").value.as_object().size(), 1U);
}

TEST_F(ControlCommandsTest, lists_registered_tasks_with_what_was_asked) {
  EXPECT_EQ(text("registered"), R"(["cap.add", "cap.limited"])");
  (void)ask("rate_limit", R"({"task_name": "cap.limited", "rate_limit": "1/m"})");
  EXPECT_EQ(text("registered"), R"(["cap.add", "cap.limited [rate_limit=1/m]"])");
  EXPECT_EQ(text("registered", R"({"taskinfoitems": ["max_retries", "serializer", "nosuch"]})"),
            R"(["cap.add [max_retries=0 serializer=json]", )"
            R"("cap.limited [max_retries=1 serializer=json]"])");
  EXPECT_THAT(text("registered", R"({"builtins": true})"), HasSubstr("celery.hidden"));
  RegisteredTask own;
  own.entry.name = "celery.own";
  own.hidden = true;
  worker.tasks_.add_built_in(std::move(own));
  EXPECT_THAT(
      text("registered", R"({"builtins": true, "taskinfoitems": ["queue"]})"),
      HasSubstr(R"("cap.limited [queue=slow]", "celery.hidden [queue=umbel]", "celery.own"])"));
  EXPECT_THAT(text("registered", R"({"builtins": false})"), Not(HasSubstr("celery")));
}

TEST_F(ControlCommandsTest, lists_attributes_of_tasks_as_they_are) {
  (void)ask("time_limit", R"({"task_name": "cap.add", "soft": 5.0, "hard": null})");
  EXPECT_EQ(text("registered", R"({"taskinfoitems": ["track_started", "reject_on_worker_lost", )"
                               R"("acks_late", "soft_time_limit", "time_limit", "exchange"]})"),
            R"(["cap.add [track_started=False reject_on_worker_lost=False acks_late=True )"
            R"(soft_time_limit=5.0]", "cap.limited [track_started=False )"
            R"(reject_on_worker_lost=False acks_late=True]"])");
}

TEST_F(ControlCommandsTest, describes_queues_with_every_key) {
  EXPECT_EQ(
      text("active_queues"),
      R"([{"name": "celery", "exchange": {"name": "celery", "type": "direct", "arguments": null, )"
      R"("durable": true, "passive": false, "auto_delete": false, "delivery_mode": null, )"
      R"("no_declare": false}, "routing_key": "celery", "queue_arguments": null, )"
      R"("binding_arguments": null, "consumer_arguments": null, "durable": true, )"
      R"("exclusive": false, "auto_delete": false, "no_ack": false, "alias": null, )"
      R"("bindings": [], "no_declare": null, "expires": null, "message_ttl": null, )"
      R"("max_length": null, "max_length_bytes": null, "max_priority": null}])");
}

std::vector<std::string> keys_of(const boost::json::value& value) {
  std::vector<std::string> keys;
  for (const auto& [key, one] : value.as_object()) keys.emplace_back(key);
  return keys;
}

TEST_F(ControlCommandsTest, gives_statistics_in_celerys_form) {
  worker.facts_.total = {{"cap.add", 1}, {"cap.sleep", 6}};
  worker.facts_.uptime = 138.6;
  worker.facts_.pool.processes_of_its_own = true;
  worker.facts_.pool.slots = 2;
  worker.facts_.pool.processes = {19955, 20449};
  worker.facts_.pool.jobs = {8, 7};
  worker.facts_.prefetch = 12;
  worker.facts_.broker = broker_document("amqp://guest:secret@127.0.0.1:5682//");
  for (int i = 0; i < 213; ++i) worker.lamport.forward();
  const auto stats = ask("stats").value;
  EXPECT_THAT(keys_of(stats), ElementsAre("total", "pid", "clock", "uptime", "pool", "broker",
                                          "prefetch_count", "rusage"));
  EXPECT_EQ(celery::to_json(stats.at("total")), R"({"cap.add": 1, "cap.sleep": 6})");
  EXPECT_EQ(celery::to_json(stats.at("clock")), R"("213")");
  EXPECT_EQ(celery::to_json(stats.at("uptime")), "139");
  EXPECT_EQ(celery::to_json(stats.at("pool")),
            R"({"max-concurrency": 2, "processes": [19955, 20449], "max-tasks-per-child": "N/A", )"
            R"("put-guarded-by-semaphore": false, "timeouts": [0, 0], "writes": {"total": 15, )"
            R"("avg": "0.50", "all": "0.53, 0.47", "raw": "8, 7", "strategy": "fair", )"
            R"("inqueues": {"total": 2, "active": 0}}})");
  EXPECT_EQ(celery::to_json(stats.at("broker")),
            R"({"hostname": "127.0.0.1", "userid": "guest", "virtual_host": "/", "port": 5682, )"
            R"("insist": false, "ssl": false, "transport": "amqp", "connect_timeout": 4, )"
            R"("transport_options": {}, "login_method": "PLAIN", "uri_prefix": null, )"
            R"("heartbeat": 120.0, "failover_strategy": "round-robin", "alternates": []})");
  EXPECT_THAT(keys_of(stats.at("rusage")),
              ElementsAre("utime", "stime", "maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt",
                          "nswap", "inblock", "oublock", "msgsnd", "msgrcv", "nsignals", "nvcsw",
                          "nivcsw"));
  EXPECT_TRUE(stats.at("rusage").at("utime").is_double());
  worker.facts_.autoscale = AutoscaleFigures{{4, 1}, 2, 3};
  EXPECT_EQ(celery::to_json(ask("stats").value.at("autoscaler")),
            R"({"max": 4, "min": 1, "current": 2, "qty": 3})");
  worker.facts_.pool.processes_of_its_own = false;
  EXPECT_THAT(keys_of(ask("stats").value.at("pool")), ElementsAre("max-concurrency", "threads"));
}

TEST(BrokerDocument, TellsPlacesAndNoPassword) {
  const auto several = broker_document("amqps://me:pw@a:5671/app;amqp://b//");
  EXPECT_EQ(several.at("virtual_host").as_string(), "app");
  EXPECT_EQ(several.at("transport").as_string(), "amqp");
  EXPECT_TRUE(several.at("ssl").as_bool());
  EXPECT_EQ(celery::to_json(several.at("alternates")), R"(["amqp://b"])");
  EXPECT_THAT(celery::to_json(several), ::testing::Not(HasSubstr("pw")));
  const auto file = broker_document("sqlite:var/umbel-broker.db?synchronous=full");
  EXPECT_EQ(file.at("transport").as_string(), "sqlite");
  EXPECT_EQ(file.at("virtual_host").as_string(), "var/umbel-broker.db");
  EXPECT_TRUE(file.at("hostname").is_null());
}

TEST_F(ControlCommandsTest, revokes_by_id) {
  EXPECT_EQ(text("revoke", R"({"task_id": "abc", "terminate": false, "signal": "SIGTERM"})"),
            R"({"ok": "tasks {'abc'} flagged as revoked"})");
  EXPECT_EQ(text("revoke", R"({"task_id": ["d", "e", "d"], "signal": null})"),
            R"({"ok": "tasks {'d', 'e'} flagged as revoked"})");
  EXPECT_EQ(text("revoked"), R"(["abc", "d", "e"])");
  EXPECT_THAT(worker.terminated, IsEmpty());
}

TEST_F(ControlCommandsTest, terminates_what_it_knows) {
  worker.active_tasks = {running("a-1")};
  worker.reserved_tasks = {held("r-1")};
  EXPECT_EQ(text("terminate", R"({"signal": "KILL", "task_id": ["a-1", "r-1", "z"]})"),
            R"({"ok": "terminate: a-1, r-1"})");
  EXPECT_THAT(worker.terminated, ElementsAre(Pair("a-1", SIGKILL)));
  EXPECT_EQ(text("revoke", R"({"task_id": "z", "terminate": true, "signal": "SIGTERM"})"),
            R"({"ok": "terminate: tasks unknown"})");
  EXPECT_EQ(text("revoke", R"({"task_id": "a-1", "terminate": true, "signal": 10})"),
            R"({"ok": "terminate: a-1"})");
  EXPECT_EQ(worker.terminated.back().second, 10);
  EXPECT_EQ(text("terminate", R"({"signal": null, "task_id": "a-1"})"),
            R"({"ok": "terminate: a-1"})");
  EXPECT_EQ(worker.terminated.back().second, SIGTERM);
  EXPECT_THAT(text("terminate", R"({"signal": "kill", "task_id": "a-1"})"),
              HasSubstr("TypeError('signal name must be uppercase string.')"));
  EXPECT_THAT(text("terminate", R"({"signal": "NOSUCH", "task_id": "a-1"})"),
              HasSubstr("has no attribute 'SIGNOSUCH'"));
  EXPECT_TRUE(worker.revoked_set.contains("z"));
}

TEST_F(ControlCommandsTest, revokes_by_stamps) {
  EXPECT_EQ(text("revoke_by_stamped_headers", R"({"headers": {"mon": ["m1", "m2"]}})"),
            R"({"ok": "headers {'mon': ['m1', 'm2']} flagged as revoked, but not terminated"})");
  EXPECT_TRUE(worker.stamps.contains("mon", "m2"));
  EXPECT_EQ(text("revoke_by_stamped_headers", R"({"headers": ["mon=m4"], "terminate": true})"),
            R"({"ok": "headers {'mon': 'm4'} were not terminated"})");
  EXPECT_TRUE(worker.stamps.contains("mon", "m1"));  // they add up
  EXPECT_TRUE(worker.stamps.contains("mon", "m4"));
  worker.active_tasks = {running("a-1")};
  worker.active_stamps["a-1"] = {{"mon", {"m9"}}};
  EXPECT_EQ(text("revoke_by_stamped_headers", R"({"headers": {"mon": "m9"}, "terminate": true})"),
            R"({"ok": "headers defaultdict(<class 'set'>, {'mon': {'m9'}}) revoked"})");
  EXPECT_THAT(worker.terminated, ElementsAre(Pair("a-1", SIGTERM)));
}

TEST_F(ControlCommandsTest, limits_rates) {
  EXPECT_EQ(text("rate_limit", R"({"task_name": "cap.add", "rate_limit": "10/m"})"),
            R"({"ok": "new rate limit set successfully"})");
  EXPECT_DOUBLE_EQ(worker.rates["cap.add"].second, 10.0 / 60);
  EXPECT_EQ(text("rate_limit", R"({"task_name": "cap.add", "rate_limit": 0})"),
            R"({"ok": "rate limit disabled successfully"})");
  EXPECT_EQ(worker.rates["cap.add"].second, 0);
  EXPECT_EQ(text("rate_limit", R"({"task_name": "cap.add", "rate_limit": 2.5})"),
            R"({"ok": "new rate limit set successfully"})");
  EXPECT_EQ(worker.rates["cap.add"].second, 2.5);
  EXPECT_EQ(text("rate_limit", R"({"task_name": "nosuch", "rate_limit": "1/s"})"),
            R"({"error": "unknown task"})");
  EXPECT_EQ(text("rate_limit", R"({"task_name": "cap.add", "rate_limit": "fast"})"),
            R"({"error": "Invalid rate limit string: )"
            R"J(ValueError(\"could not convert string to float: 'fast'\")"})J");
  EXPECT_EQ(text("rate_limit", R"({"task_name": "cap.add", "rate_limit": "1/d"})"),
            R"J({"error": "KeyError('d')"})J");
}

TEST_F(ControlCommandsTest, limits_times) {
  EXPECT_EQ(text("time_limit", R"({"task_name": "cap.add", "hard": 2, "soft": 1})"),
            R"({"ok": "time limits set successfully"})");
  EXPECT_EQ(worker.times["cap.add"].first, 1.0);
  EXPECT_EQ(worker.times["cap.add"].second, 2.0);
  EXPECT_EQ(text("time_limit", R"({"task_name": "nosuch", "soft": 1})"),
            R"({"error": "unknown task"})");
  EXPECT_EQ(text("time_limit"), R"({"error": "unknown task"})");
}

TEST_F(ControlCommandsTest, switches_events_and_beats) {
  EXPECT_EQ(text("enable_events"), R"({"ok": "task events already enabled"})");
  EXPECT_EQ(text("disable_events"), R"({"ok": "task events disabled"})");
  EXPECT_EQ(text("disable_events"), R"({"ok": "task events already disabled"})");
  EXPECT_EQ(text("enable_events"), R"({"ok": "task events enabled"})");
  EXPECT_EQ(text("heartbeat"), "null");
  EXPECT_EQ(worker.beats, 1);
}

TEST_F(ControlCommandsTest, resizes_the_pool) {
  EXPECT_EQ(text("pool_grow", R"({"n": 2})"), R"({"ok": "pool will grow"})");
  EXPECT_EQ(worker.slots, 4U);
  EXPECT_EQ(text("pool_shrink"), R"({"ok": "pool will shrink"})");
  EXPECT_EQ(worker.slots, 3U);
  EXPECT_THAT(text("pool_shrink", R"({"n": 3})"), HasSubstr("ValueError"));
  EXPECT_EQ(worker.slots, 3U);
  EXPECT_THAT(text("pool_grow", R"({"n": -1})"), HasSubstr("error"));
  worker.range = AutoscaleRange{4, 1};
  EXPECT_EQ(text("pool_grow"), R"({"error": "pool_grow is not supported with autoscale. )"
                               R"(Adjust autoscale range instead."})");
}

TEST_F(ControlCommandsTest, restarts_the_pool_where_that_is_allowed) {
  EXPECT_EQ(text("pool_restart", R"({"modules": null, "reload": false, "reloader": null})"),
            R"J({"error": "ValueError('Pool restarts not enabled')"})J");
  worker.restarts = true;
  EXPECT_EQ(text("pool_restart"), R"({"ok": "reload started"})");
  EXPECT_EQ(worker.renewals, 1);
}

TEST_F(ControlCommandsTest, changes_what_autoscale_may_do) {
  EXPECT_EQ(text("autoscale", R"({"max": 4, "min": 2})"),
            R"J({"error": "ValueError('Autoscale not enabled')"})J");
  worker.range = AutoscaleRange{10, 2};
  EXPECT_EQ(text("autoscale", R"({"max": 4, "min": 1})"), R"({"ok": "autoscale now max=4 min=1"})");
  EXPECT_EQ(text("autoscale", R"({"max": 6})"), R"({"ok": "autoscale now max=6 min=1"})");
  EXPECT_THAT(text("autoscale", R"({"max": 1, "min": 3})"), HasSubstr("ValueError"));
}

TEST_F(ControlCommandsTest, changes_what_is_consumed) {
  EXPECT_EQ(text("add_consumer", R"({"queue": "extra", "exchange": null, )"
                                 R"("exchange_type": "direct", "routing_key": null})"),
            R"({"ok": "add consumer extra"})");
  EXPECT_EQ(worker.queues_.back().name, QueueName{"extra"});
  EXPECT_FALSE(worker.queues_.back().binding);
  EXPECT_EQ(text("cancel_consumer", R"({"queue": "extra"})"),
            R"({"ok": "no longer consuming from extra"})");
  EXPECT_EQ(text("add_consumer", R"({"queue": "q", "exchange": "shapes", )"
                                 R"("exchange_type": "topic", "routing_key": "area.#"})"),
            R"({"ok": "add consumer q"})");
  EXPECT_EQ(worker.queues_.back().binding, (QueueBinding{"shapes", "topic", "area.#"}));
  EXPECT_THAT(text("active_queues"), HasSubstr(R"("name": "q", "exchange": {"name": "shapes", )"
                                               R"("type": "topic")"));
  EXPECT_THAT(text("active_queues"), HasSubstr(R"("routing_key": "area.#")"));
  (void)ask("add_consumer", R"({"queue": "r", "exchange": "other"})");
  EXPECT_EQ(worker.queues_.back().binding, (QueueBinding{"other", "direct", "r"}));
  (void)ask("add_consumer", R"({"queue": "f", "exchange_type": "fanout", "routing_key": ""})");
  EXPECT_EQ(worker.queues_.back().binding, (QueueBinding{"f", "fanout", ""}));
  EXPECT_THAT(text("add_consumer", R"({"queue": "q", "exchange": 5})"), HasSubstr("TypeError"));
  worker.has_exchanges = false;
  EXPECT_EQ(text("add_consumer", R"({"queue": "s", "exchange": "other"})"),
            R"J({"error": "ValueError('this broker has no exchanges')"})J");
  worker.queue_fails = true;
  EXPECT_EQ(text("add_consumer", R"({"queue": "q"})"),
            R"J({"error": "OperationalError('the broker is out')"})J");
}

TEST_F(ControlCommandsTest, answers_hello_with_floats) {
  worker.clock_.advance(std::chrono::seconds{100});
  EXPECT_EQ(text("hello", R"({"from_node": "w1@cap", "revoked": {}})"), "null");
  EXPECT_EQ(text("hello", R"({"from_node": "w2@cap", "revoked": {"x": [50.0, "x"], "y": 60.5}})"),
            R"({"revoked": {"x": [50.0, "x"], "y": [60.5, "y"]}, "clock": 1})");
  EXPECT_EQ(text("hello", R"({"from_node": "w2@cap", "revoked": {"z": 5}})"),
            R"({"error": "ValueError(\"Expecting float timestamp, got type <class 'int'> )"
            R"J(with value: 5\")"})J");
  EXPECT_EQ(text("hello", R"({"from_node": "w2@cap"})").substr(0, 12), R"({"revoked": )");
}

TEST_F(ControlCommandsTest, samples_memory) {
  EXPECT_EQ(text("memsample"), "null");
  worker.memory = 30'408'704;
  EXPECT_EQ(text("memsample"), R"("29MB")");
  EXPECT_EQ(text("memdump", R"({"samples": 10})"),
            R"("- rss (sample):\n-    > 29MB,\n- rss (end): 29MB.\n")");
  EXPECT_EQ(text("memdump"), R"("- rss (end): 29MB.\n")");
  EXPECT_EQ(text("objgraph", R"({"num": 200, "max_depth": 10, "type": "Request"})"),
            R"J({"error": "ImportError('Requires the objgraph library')"})J");
}

TEST_F(ControlCommandsTest, shuts_down_without_an_answer) {
  const auto answer = ask("shutdown");
  EXPECT_FALSE(answer.replies);
  EXPECT_THAT(worker.shutdowns, ElementsAre("Got shutdown from remote"));
}

TEST_F(ControlCommandsTest, takes_elections_and_the_rest) {
  EXPECT_EQ(text("election", R"({"id": "i", "topic": "task", "action": {"task": "t"}})"), "null");
  EXPECT_THAT(worker.elections, ElementsAre(R"(i task {"task":"t"})"));
  EXPECT_EQ(text("report"), R"({"ok": "\nsoftware -> umbel\n"})");
  EXPECT_EQ(ask("conf", R"({"with_defaults": true})").value.at("with_defaults"), true);
}

}  // namespace
}  // namespace umbel::testing
