// Whoever runs `celery inspect`, `celery control` or `celery status` gets of our worker what he
// gets of Celery's: the same keys, the same types, and where it is a fixed text, the same text.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <set>

#include "cluster.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using umbel::testing::eventually;

constexpr const char* kOurs = "cpp1@umbel";
constexpr const char* kTheirs = "py1@celery";

Servers servers;

struct Replies {
  json::value ours, theirs;
};

// Two workers in the same situation: both run a task, hold two back, and have one for later.
class Control : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    cluster = std::make_unique<Cluster>(servers);
    ours = &cluster->umbel_worker("cpp1", {"--concurrency=1", "--prefetch-multiplier=4"});
    // Without -E: with it Celery says of events that they are on, and off, already.
    theirs = &cluster->celery_worker(
        {.concurrency = 1, .task_events = false, .more = {"--prefetch-multiplier=4"}});
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster->logs();
  }

  // What both answer to a command that goes to both at once.
  static Replies both(const std::string& method, const std::string& arguments = "{}") {
    const json::value all = cluster->ask(
        fmt::format("told('{}', {}, ['{}', '{}'])", method, arguments, kOurs, kTheirs));
    const auto reply = [&](const char* node) {
      const auto* found = all.as_object().if_contains(node);
      EXPECT_NE(found, nullptr) << method << ": no answer of " << node;
      return found == nullptr ? json::value{"no answer"} : *found;
    };
    return {reply(kOurs), reply(kTheirs)};
  }

  // The same keys and types at every depth.
  static void expect_alike(const std::string& method, const std::string& arguments = "{}") {
    const Replies replies = both(method, arguments);
    EXPECT_EQ(shape(replies.ours), shape(replies.theirs))
        << method << "\nours: " << replies.ours << "\ntheirs: " << replies.theirs;
  }
  // The same text.
  static void expect_same(const std::string& method, const std::string& arguments = "{}") {
    const Replies replies = both(method, arguments);
    EXPECT_EQ(replies.ours, replies.theirs) << method << " " << arguments;
  }

  static std::unique_ptr<Cluster> cluster;
  static Process* ours;
  static Process* theirs;
};

std::unique_ptr<Cluster> Control::cluster;
Process* Control::ours = nullptr;
Process* Control::theirs = nullptr;

TEST_F(Control, PlainQuestions) {
  expect_same("ping");
  expect_alike("clock");
  expect_alike("report");
  // Celery says it only where Python's psutil is installed.
  EXPECT_TRUE(both("memsample").ours.is_string());
  expect_alike("memdump", "{'samples': 10}");
  expect_alike("objgraph", "{'num': 200, 'max_depth': 10, 'type': 'Request'}");
  const Replies none = both("no_such_command");
  EXPECT_EQ(none.ours, none.theirs);
  EXPECT_EQ(none.ours, json::parse(R"json({"error": "KeyError('no_such_command')"})json"));
}

TEST_F(Control, WhatRunsWaitsAndIsHeldForLater) {
  // A priority of its own: Celery leaves the property out for tasks that it has itself.
  cluster->ask(
      "long = [cpp('sleep', 120).delay().id, py('py.sleep', 120, priority=0).delay().id]\n"
      "held = [[sig.delay().id for _ in (1, 2)] for sig in (cpp('sleep', 1), py('py.sleep', 1, "
      "priority=0))]\n"
      "later = [cpp('sleep', 0).apply_async(countdown=600).id, "
      "py('py.sleep', 0, priority=0).apply_async(countdown=600).id]\n");
  const auto has = [](const char* method, std::size_t count) {
    const Replies replies = both(method);
    return replies.ours.is_array() && replies.theirs.is_array() &&
           replies.ours.get_array().size() == count && replies.theirs.get_array().size() == count;
  };
  ASSERT_TRUE(eventually([&] {
    return has("active", 1) && has("reserved", 2) && has("scheduled", 1);
  })) << both("active").ours
      << both("reserved").ours << both("scheduled").ours << "\n"
      << both("active").theirs << both("reserved").theirs << both("scheduled").theirs;
  for (const char* safe : {"None", "True", "False"}) {
    expect_alike("active", fmt::format("{{'safe': {}}}", safe));
  }
  expect_alike("active");
  expect_alike("reserved");
  expect_alike("scheduled");
  for (const char* alias : {"dump_active", "dump_reserved", "dump_schedule"}) expect_alike(alias);
  EXPECT_EQ(both("scheduled").ours.at(0).at("priority"), 6);

  const Replies asked =
      both("query_task", "{'ids': [long[0], long[1], held[0][0], held[1][0], 'no']}");
  ASSERT_EQ(asked.ours.as_object().size(), 2U) << asked.ours;
  ASSERT_EQ(asked.theirs.as_object().size(), 2U) << asked.theirs;
  const auto ids = cluster->ask("[long, [held[0][0], held[1][0]]]");
  for (std::size_t kind = 0; kind < 2; ++kind) {
    const json::value mine = asked.ours.at(ids.at(kind).at(0).as_string());
    const json::value other = asked.theirs.at(ids.at(kind).at(1).as_string());
    EXPECT_EQ(mine.at(0), other.at(0)) << mine << other;
    EXPECT_EQ(shape(mine), shape(other)) << mine << "\n" << other;
  }
  const Replies one = both("query_task", "{'ids': long[0]}");
  EXPECT_EQ(one.ours.as_object().size(), 1U) << one.ours;
  EXPECT_EQ(one.theirs.as_object().size(), 0U);

  // Both long ones are ended from here, and the callers told.
  const Replies ended = both("terminate", "{'signal': 'KILL', 'task_id': long}");
  EXPECT_EQ(shape(ended.ours), shape(ended.theirs)) << ended.ours << ended.theirs;
  for (const char* id : {"long[0]", "long[1]"}) {
    const json::value told = cluster->ask(fmt::format("outcome(AsyncResult({}))", id));
    EXPECT_EQ(told.at("raised"), "celery.exceptions.TaskRevokedError") << id << told;
  }
  EXPECT_TRUE(eventually([&] { return has("active", 0) && has("reserved", 0); }));
}

TEST_F(Control, RevokedTasksDoNotRun) {
  // The text is that of 5.3 and later; 5.2 has no braces.
  EXPECT_EQ(both("revoke", "{'task_id': 'abc', 'terminate': False, 'signal': 'SIGTERM'}").ours,
            json::parse(R"({"ok": "tasks {'abc'} flagged as revoked"})"));
  expect_alike("revoke", "{'task_id': ['abc', 'def'], 'terminate': False, 'signal': None}");
  expect_same("revoke", "{'task_id': ['gone'], 'terminate': True, 'signal': 'KILL'}");
  const json::value revoked = both("revoked").ours;
  EXPECT_THAT(json::serialize(revoked), HasSubstr("\"abc\""));
  EXPECT_THAT(json::serialize(revoked), HasSubstr("\"def\""));
  expect_alike("revoked");
  expect_alike("dump_revoked");
  const json::value told = cluster->ask(
      "name = str(uuid.uuid4())\n"
      "told('revoke', {'task_id': name, 'terminate': False, 'signal': 'SIGTERM'}, "
      "['cpp1@umbel', 'py1@celery'])\n"
      "outcome(cpp('add', 1, 2).apply_async(task_id=name))");
  EXPECT_EQ(told.at("raised"), "celery.exceptions.TaskRevokedError") << told;
  // hello hands them to whoever starts later.
  const Replies hello = both("hello", "{'from_node': 'new@here', 'revoked': {'from-new': 1e9}}");
  EXPECT_EQ(shape(hello.ours.at("clock")), shape(hello.theirs.at("clock")));
  EXPECT_TRUE(hello.ours.at("revoked").as_object().contains("abc")) << hello.ours;
  EXPECT_EQ(shape(hello.ours.at("revoked").at("abc")), shape(hello.theirs.at("revoked").at("abc")))
      << hello.ours << hello.theirs;
  EXPECT_EQ(hello.ours.as_object().size(), hello.theirs.as_object().size());
  EXPECT_TRUE(both("hello", "{'from_node': 'cpp1@umbel', 'revoked': {}}").ours.is_null());
}

// Which 5.2 does not know; the texts are those of 5.5.
TEST_F(Control, RevokedByAStamp) {
  EXPECT_EQ(cluster
                ->ask("told('revoke_by_stamped_headers', {'headers': {'mon': ['m1', 'm2']}, "
                      "'terminate': False, 'signal': 'SIGTERM'}, ['cpp1@umbel'])")
                .at(kOurs),
            json::parse(R"({"ok": "headers {'mon': ['m1', 'm2']} flagged as revoked, )"
                        R"(but not terminated"})"));
  EXPECT_EQ(cluster
                ->ask("outcome(raw('umbel', 'add', [1, 2], stamped_headers=['mon'], "
                      "stamps={'mon': 'm2'}))")
                .at("raised"),
            "celery.exceptions.TaskRevokedError");
  EXPECT_EQ(cluster->ask("outcome(raw('umbel', 'add', [1, 2], stamped_headers=['mon'], "
                         "stamps={'mon': 'm3'}))"),
            json::parse(R"({"value": 3})"));
}

TEST_F(Control, TheRegisteredTasks) {
  expect_alike("registered");
  expect_alike("dump_tasks");
  const json::value names = both("registered").ours;
  EXPECT_THAT(json::serialize(names), HasSubstr("\"add\""));
  expect_same("rate_limit", "{'task_name': 'no.such', 'rate_limit': '1/m'}");
  const auto limit = [](const char* task, const char* rate) {
    return fmt::format("{{'task_name': '{}', 'rate_limit': {}}}", task, rate);
  };
  EXPECT_EQ(both("rate_limit", limit("add", "'1000/s'")).ours,
            both("rate_limit", limit("py.add", "'1000/s'")).theirs);
  const json::value with_limits = both("registered", "{'taskinfoitems': ['rate_limit']}").ours;
  EXPECT_THAT(json::serialize(with_limits), HasSubstr("add [rate_limit=1000/s]"));
  EXPECT_EQ(both("rate_limit", limit("add", "0")).ours,
            both("rate_limit", limit("py.add", "0")).theirs);
  EXPECT_EQ(shape(both("rate_limit", limit("add", "'often'")).ours),
            shape(both("rate_limit", limit("py.add", "'often'")).theirs));
  const auto times = [](const char* task) {
    return fmt::format("{{'task_name': '{}', 'hard': 20, 'soft': 10}}", task);
  };
  EXPECT_EQ(both("time_limit", times("echo")).ours, both("time_limit", times("py.echo")).theirs);
  expect_same("time_limit", times("no.such"));
}

TEST_F(Control, TheQueues) {
  expect_alike("active_queues");
  const auto names = [](const json::value& queues) {
    std::set<std::string> all;
    for (const json::value& queue : queues.as_array()) all.emplace(queue.at("name").as_string());
    return all;
  };
  EXPECT_EQ(names(both("active_queues").ours), std::set<std::string>{"umbel"});
  expect_same(
      "add_consumer",
      "{'queue': 'extra', 'exchange': None, 'exchange_type': 'direct', 'routing_key': None}");
  EXPECT_TRUE(eventually([&] {
    const Replies queues = both("active_queues");
    return names(queues.ours).contains("extra") && names(queues.theirs).contains("extra");
  }));
  expect_alike("active_queues");
  EXPECT_TRUE(eventually([&] {
    for (const auto& queue : servers.rabbit().queues(cluster->vhost())) {
      if (queue.name == "extra") return queue.consumers == 2;
    }
    return false;
  }));
  expect_same("cancel_consumer", "{'queue': 'extra'}");
  EXPECT_TRUE(eventually([&] { return names(both("active_queues").ours).size() == 1; }));
}

// Each sends what is asked of it through the exchange to the queue, and tells so.
TEST_F(Control, AQueueFromAnExchangeOfAnotherName) {
  expect_same("add_consumer",
              "{'queue': 'areas', 'exchange': 'shapes', 'exchange_type': 'topic', "
              "'routing_key': 'area.#'}");
  const auto areas = [](const json::value& queues) {
    for (const json::value& queue : queues.as_array()) {
      if (queue.at("name") == "areas") return queue;
    }
    return json::value{};
  };
  Replies there;
  ASSERT_TRUE(eventually([&] {
    const Replies queues = both("active_queues");
    there = {areas(queues.ours), areas(queues.theirs)};
    return there.ours.is_object() && there.theirs.is_object();
  }));
  EXPECT_EQ(there.ours.at("exchange").at("name"), there.theirs.at("exchange").at("name"));
  EXPECT_EQ(there.ours.at("exchange").at("type"), there.theirs.at("exchange").at("type"));
  EXPECT_EQ(there.ours.at("routing_key"), there.theirs.at("routing_key"));
  EXPECT_EQ(there.ours.at("routing_key"), "area.#");

  cluster->ask("told('cancel_consumer', {'queue': 'areas'}, ['py1@celery'])");
  ASSERT_TRUE(eventually([&] {
    for (const auto& queue : servers.rabbit().queues(cluster->vhost())) {
      if (queue.name == "areas") return queue.consumers == 1;
    }
    return false;
  }));
  EXPECT_EQ(cluster->ask("outcome(app.send_task('add', [1, 2], exchange='shapes', "
                         "routing_key='area.large'))"),
            json::parse(R"({"value": 3})"));
  const json::value refused =
      cluster
          ->ask(
              "told('add_consumer', {'queue': 'volumes', 'exchange': 'shapes', "
              "'exchange_type': 'fanout', 'routing_key': ''}, ['cpp1@umbel'])")
          .at(kOurs);
  EXPECT_THAT(json::serialize(refused), HasSubstr("ValueError")) << "Celery says ok, and fails";
  expect_same("cancel_consumer", "{'queue': 'areas'}");
}

// What any worker says of itself tells its time, and the others go past it.
TEST_F(Control, TheClockFollowsTheOthers) {
  cluster->ask(
      "app.clock.value = 5000000\n"
      "with app.connection_for_write() as connection:\n"
      "    app.events.Dispatcher(connection, hostname='far@away').send(\n"
      "        'worker-heartbeat', freq=2, active=0, processed=0)\n"
      "None");
  EXPECT_TRUE(eventually([&] {
    const Replies clocks = both("clock");
    return clocks.ours.at("clock").to_number<double>() > 5e6 &&
           clocks.theirs.at("clock").to_number<double>() > 5e6;
  })) << both("clock").ours
      << both("clock").theirs;
}

TEST_F(Control, StatsAndConfiguration) {
  EXPECT_EQ(cluster->ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE) + "
                         "py('py.add', 1, 2).delay().get(timeout=PATIENCE)"),
            6);
  Replies stats = both("stats");
  EXPECT_EQ(stats.ours.at("clock").kind(), json::kind::string);
  // The tasks' names differ, and Celery's pool tells of its pipes and processes.
  for (json::value* each : {&stats.ours, &stats.theirs}) {
    EXPECT_FALSE(each->at("total").as_object().empty());
    each->as_object().erase("total");
    EXPECT_TRUE(each->at("pool").at("max-concurrency").is_int64());
    each->as_object().erase("pool");
  }
  EXPECT_EQ(shape(stats.ours), shape(stats.theirs)) << stats.ours << "\n" << stats.theirs;
  EXPECT_EQ(stats.ours.at("broker").at("port"), stats.theirs.at("broker").at("port"));
  EXPECT_EQ(stats.ours.at("broker").at("virtual_host"),
            stats.theirs.at("broker").at("virtual_host"));

  for (const char* method : {"conf", "dump_conf"}) {
    const Replies conf = both(method, "{'with_defaults': False}");
    const std::string text = json::serialize(conf.ours);
    EXPECT_THAT(text, HasSubstr("broker_url"));
    EXPECT_THAT(text, Not(HasSubstr("umbel:umbel@")));
    EXPECT_EQ(conf.ours.at("broker_url"), conf.theirs.at("broker_url")) << conf.ours;
  }
}

// Behind what runs tasks: 5.2's pool often stands still once it has been made smaller.
TEST_F(Control, ThePool) {
  const auto slots = [] { return both("stats").ours.at("pool").at("max-concurrency"); };
  expect_same("pool_grow", "{'n': 2}");
  EXPECT_TRUE(eventually([&] { return slots() == 3; })) << both("stats").ours;
  // Celery shrinks only once its new processes are up.
  json::value shrunk;
  EXPECT_TRUE(eventually([&] {
    shrunk = cluster->ask("told('pool_shrink', {'n': 2}, ['py1@celery'])");
    return shrunk.at(kTheirs).as_object().contains("ok");
  })) << shrunk;
  EXPECT_EQ(cluster->ask("told('pool_shrink', {'n': 2}, ['cpp1@umbel'])").at(kOurs),
            shrunk.at(kTheirs));
  EXPECT_TRUE(eventually([&] { return slots() == 1; })) << both("stats").ours;
  expect_alike("autoscale", "{'max': 4, 'min': 2}");
  expect_alike("pool_restart", "{'modules': None, 'reload': False, 'reloader': None}");
}

TEST_F(Control, Events) {
  std::ignore = both("enable_events");
  expect_same("enable_events");
  expect_same("disable_events");
  expect_same("disable_events");
  expect_same("enable_events");
  expect_same("heartbeat");
}

TEST_F(Control, FiltersByNameAreKept) {
  EXPECT_EQ(cluster->ask("told('ping', {}, None, pattern='cpp*', matcher='glob', limit=1)"),
            json::parse(R"({"cpp1@umbel": {"ok": "pong"}})"));
  EXPECT_EQ(cluster->ask("told('ping', {}, None, pattern='py.*', matcher='pcre', limit=1)"),
            json::parse(R"({"py1@celery": {"ok": "pong"}})"));
  EXPECT_EQ(cluster->ask("told('ping', {}, ['nobody@here'], timeout=0.5)"), json::object{});
}

// The commands of the shell, on both workers at once.
TEST_F(Control, EveryCommandOfTheShellEndsWell) {
  for (const char* command : {"inspect ping",
                              "inspect active",
                              "inspect active_queues",
                              "inspect clock",
                              "inspect conf",
                              "inspect memdump",
                              "inspect memsample",
                              "inspect query_task some-id",
                              "inspect registered",
                              "inspect registered rate_limit",
                              "inspect registered max_retries acks_late",
                              "inspect report",
                              "inspect reserved",
                              "inspect revoked",
                              "inspect scheduled",
                              "inspect stats",
                              "status",
                              "control enable_events",
                              "control disable_events",
                              "control heartbeat",
                              "control rate_limit add 5/m",
                              "control rate_limit add 0",
                              "control time_limit add 20 10",
                              "control add_consumer more even topic more.#",
                              "control cancel_consumer more",
                              "control pool_grow 1",
                              "control pool_shrink 1",
                              "control autoscale 4 2",
                              "control pool_restart",
                              "control revoke some-id",
                              "control terminate TERM some-id"}) {
    const json::value ended =
        cluster->ask(fmt::format("shell('{} -d {},{}')", command, kOurs, kTheirs));
    EXPECT_EQ(ended.at("status"), 0) << command << ": " << ended;
    const std::string output{ended.at("output").as_string()};
    EXPECT_THAT(output, HasSubstr(kOurs)) << command;
    EXPECT_THAT(output, HasSubstr(kTheirs)) << command;
  }
  // What else a user of Celery types, beside his own worker and ours.
  for (const auto& [command, said] : std::vector<std::pair<std::string, std::string>>{
           {"inspect --json ping", "\"ok\": \"pong\""},
           {"status --json", "\"ok\": \"pong\""},
           {"call add -a [20,22] --queue umbel", "-"},
           {"report", "software -> celery"},
           {"purge -f -Q parked", "No messages purged"}}) {
    const json::value ended = cluster->ask(fmt::format("shell('{}')", command));
    EXPECT_EQ(ended.at("status"), 0) << command << ": " << ended;
    EXPECT_THAT(std::string{ended.at("output").as_string()}, HasSubstr(said)) << command;
  }
  EXPECT_THAT(std::string{cluster
                              ->ask("done = cpp('add', 20, 22).delay(); done.get(timeout=PATIENCE)"
                                    "\nshell('result ' + done.id)")
                              .at("output")
                              .as_string()},
              HasSubstr("42"));
  const auto status = cluster->celery().command({"status"});
  EXPECT_EQ(status.status, 0) << status.output;
  EXPECT_THAT(status.output, HasSubstr("2 nodes online"));
}

// `umbel inspect|control|status` ask Celery's workers as they ask ours.
TEST_F(Control, OurCommandsAskBoth) {
  const std::string both_of_them = fmt::format("--destination={},{}", kOurs, kTheirs);
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"status"},
           {"inspect", "ping"},
           {"inspect", "active"},
           {"inspect", "active_queues"},
           {"inspect", "clock"},
           {"inspect", "conf"},
           {"inspect", "query_task", "some-id"},
           {"inspect", "registered", "rate_limit"},
           {"inspect", "report"},
           {"inspect", "reserved"},
           {"inspect", "revoked"},
           {"inspect", "scheduled"},
           {"inspect", "stats"},
           {"control", "heartbeat"},
           {"control", "add_consumer", "more"},
           {"control", "cancel_consumer", "more"},
           {"control", "revoke", "some-id"},
           {"control", "rate_limit", "celery.accumulate", "0"},
           {"control", "time_limit", "celery.accumulate", "20", "30"}}) {
    auto arguments = words;
    arguments.insert(arguments.end(), {both_of_them, "--timeout=20000", "--json"});
    const auto ended = cluster->umbel(arguments);
    ASSERT_EQ(ended.status, 0) << words.back() << ended.output;
    const json::value replies = json::parse(ended.output);
    EXPECT_EQ(replies.as_object().size(), 2U) << words.back() << ended.output;
  }
  EXPECT_EQ(cluster->umbel({"status", "--destination=nobody@here", "--timeout=500"}).status, 69);
}

// The last one: both end in good order.
TEST_F(Control, ZShutdownEndsTheWorker) {
  cluster->ask("app.control.shutdown(destination=['cpp1@umbel', 'py1@celery'])");
  EXPECT_TRUE(eventually([&] { return !ours->running(); }, seconds{30}));
  EXPECT_EQ(ours->ended().value_or(""), "exit status 0");
  EXPECT_TRUE(eventually([&] { return !theirs->running(); }, seconds{30}));
}

}  // namespace
}  // namespace umbel::interop
