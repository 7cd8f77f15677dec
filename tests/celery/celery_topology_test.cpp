// What stands on the server: the same whoever came first, so that neither side refuses what the
// other has declared.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

#include "cluster.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::Not;
using umbel::testing::eventually;

Servers servers;

// Exchanges, queues and bindings with all that their declarations say, one a line. Names that are
// made anew each time are cut off, and queues that only one kind of process has are left out.
std::set<std::string> declared(const std::string& vhost) {
  const std::string text = servers.rabbit().eval(fmt::format(
      "V = <<\"{}\">>, "
      "lists:flatten(["
      "[io_lib:format(\"exchange ~0p~n\", [rabbit_exchange:info(X, [name, type, durable, "
      "auto_delete, internal, arguments])]) || X <- rabbit_exchange:list(V)], "
      "[try io_lib:format(\"queue ~0p~n\", [rabbit_amqqueue:info(Q, [name, durable, auto_delete, "
      "exclusive, arguments])]) catch exit:_ -> [] end || Q <- rabbit_amqqueue:list(V)], "
      "[io_lib:format(\"binding ~0p~n\", [rabbit_binding:info(B, [source_name, destination_name, "
      "destination_kind, routing_key, arguments])]) || B <- rabbit_binding:list(V)]]).",
      vhost));
  static const std::regex kMade{"[0-9a-f]{8}-[0-9a-f-]{27}"};
  static const std::regex kVhost{"<<\"v[0-9]+\">>"};
  std::set<std::string> all;
  std::istringstream lines{
      std::regex_replace(std::regex_replace(text, kMade, "*"), kVhost, "vhost")};
  for (std::string line; std::getline(lines, line);) {
    // Gossip listens at one, event receivers at others; replies of who asked are gone with them.
    if (line.find("\"celeryev.") != std::string::npos) continue;
    if (line.find("*.reply.celery.pidbox") != std::string::npos) continue;
    if (line.find("\"umbel.events.") != std::string::npos) continue;
    all.insert(line);
  }
  return all;
}

std::string one_below_the_other(const std::set<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class Topology : public ::testing::TestWithParam<const char*> {
 protected:
  static ClusterOptions options() {
    if (GetParam() == std::string_view{"plain"}) return {};
    return {.query = "?max_priority=10", .settings = R"({"task_queue_max_priority": 10})"};
  }
  static Process& ours(Cluster& cluster) {
    return cluster.umbel_worker("w1@celery", {"--queues=celery"});
  }
  static Process& theirs(Cluster& cluster, const std::string& name = "w1") {
    return cluster.celery_worker({.name = name, .pool = "solo"});
  }
  static void ask(Cluster& cluster) {  // so that there is a place for replies
    EXPECT_EQ(cluster.ask("app.control.ping(timeout=PATIENCE, limit=1)"),
              json::parse(R"([{"w1@celery": {"ok": "pong"}}])"));
  }
};

TEST_P(Topology, IsTheSameWhoeverComesFirst) {
  Cluster with_ours{servers, options()};
  Cluster with_theirs{servers, options()};
  Process& umbel = ours(with_ours);
  Process& celery = theirs(with_theirs);
  ask(with_ours);
  ask(with_theirs);
  const auto of_ours = declared(with_ours.vhost());
  const auto of_theirs = declared(with_theirs.vhost());
  EXPECT_EQ(one_below_the_other(of_ours), one_below_the_other(of_theirs));
  EXPECT_THAT(one_below_the_other(of_ours), HasSubstr("celery.pidbox"));

  // Then the other one comes, and both work on the same queue.
  Process& second = theirs(with_ours, "w2");
  Process& fourth = with_theirs.umbel_worker("w2@celery", {"--queues=celery"});
  for (Cluster* cluster : {&with_ours, &with_theirs}) {
    // A task that reaches the one that does not know it is refused: the queue is shared here to see
    // that both may declare it.
    const json::value ended = cluster->ask(
        "ends = [outcome(each.delay()) for _ in range(6) for each in (cpp('add', 1, 2, "
        "queue='celery'), py('py.add', 1, 2))]\n"
        "[each.get('value') or each['raised'] for each in ends]");
    for (const json::value& each : ended.as_array()) {
      EXPECT_TRUE(each == 3 || each == "celery.exceptions.NotRegistered") << ended;
    }
    const std::string logs = cluster->logs();
    EXPECT_THAT(logs, Not(HasSubstr("PRECONDITION_FAILED")));
    EXPECT_THAT(logs, Not(HasSubstr("does not work")));
  }
  for (Process* each : {&umbel, &celery, &second, &fourth}) EXPECT_TRUE(each->running());
}

INSTANTIATE_TEST_SUITE_P(Queues, Topology, ::testing::Values("plain", "with_priorities"));

// A quorum queue of Python's configuration: its producer and our worker, which consumes it without
// the global qos that such queues refuse.
TEST(Quorum, PythonProducesAndWeConsume) {
  Cluster cluster{servers, {.query = "?queue_type=quorum"}};
  const char* declare =
      "with app.connection_or_acquire() as c: Queue('strong', Exchange('strong'), 'strong', "
      "channel=c.default_channel, queue_arguments={'x-queue-type': 'quorum'}).declare()\n"
      "app.conf.task_queues = [Queue('strong', Exchange('strong'), 'strong', "
      "queue_arguments={'x-queue-type': 'quorum'}), Queue('own', Exchange('own'), 'own', "
      "queue_arguments={'x-queue-type': 'quorum'})]\n";
  cluster.ask(declare);
  Process& worker = cluster.umbel_worker("cpp1", {"--queues=strong,own"});
  for (const char* queue : {"strong", "own"}) {
    EXPECT_EQ(cluster.ask(fmt::format("sum(each.get(timeout=PATIENCE) for each in "
                                      "[cpp('add', i, 1, queue='{0}').delay() for i in range(20)])",
                                      queue)),
              210)
        << worker.end_of_log();
  }
  std::set<std::string> quorum;
  for (const auto& queue : servers.rabbit().queues(cluster.vhost())) {
    if (queue.type == "quorum") quorum.insert(queue.name);
  }
  EXPECT_EQ(quorum, (std::set<std::string>{"own", "strong"}));
}

// What RabbitMQ 4 takes no more, or only until it is told otherwise.
TEST(RabbitMq4, ItsRulesAreKept) {
  Cluster cluster{servers};
  cluster.umbel_collector();
  cluster.umbel_worker();
  cluster.ask("outcome(chord([cpp('add', i, i) for i in range(5)], cpp('total')).delay())");
  EXPECT_EQ(servers.rabbit().eval(fmt::format(
                "lists:usort([G || [{{vhost, <<\"{}\">>}}, {{global_prefetch_count, G}}] <- "
                "[rabbit_channel:info(C, [vhost, global_prefetch_count]) || "
                "C <- rabbit_channel:list()]]).",
                cluster.vhost())),
            "[0]");
  for (const auto& queue : servers.rabbit().queues(cluster.vhost())) {
    if (queue.durable) continue;
    // Celery's own, for remote control, gossip and replies.
    EXPECT_TRUE(queue.name.ends_with(".celery.pidbox") || queue.name.starts_with("celeryev.") ||
                queue.name.size() == 36)
        << queue.name;
  }
}

}  // namespace
}  // namespace umbel::interop
