// How both sides get to the same server, and what our programs do when they do not get there: every
// spelling of an address, TLS, hosts that are dead, refusals, servers that come later, and a
// network that cuts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <random>
#include <set>
#include <sstream>

#include "cluster.hpp"
#include "umbel/testing/cut_proxy.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using umbel::testing::CutProxy;
using umbel::testing::Direction;
using umbel::testing::eventually;
using umbel::testing::RabbitServer;

Servers servers{{.tls = true}};

// Lines of the log with this in them.
std::vector<std::string> lines(const Process& program, const std::string& part) {
  std::vector<std::string> all;
  std::istringstream log{program.log()};
  for (std::string line; std::getline(log, line);) {
    if (line.find(part) != std::string::npos) all.push_back(line);
  }
  return all;
}

std::string with_login(std::string url, const std::string& login) {
  return url.replace(url.find("umbel:umbel@"), 12, login + "@");
}

void expect_well(Cluster& cluster) {
  EXPECT_EQ(cluster.ask("cpp('add', 1, 2).delay().get(timeout=PATIENCE)"), 3) << cluster.logs();
}

// Each spelling leads both sides to the same virtual host: where a worker of its own answers.
TEST(Connect, VirtualHostsAreReadAsCeleryReadsThem) {
  auto& rabbit = servers.rabbit();
  for (const char* name : {"app", "/app", "a b"}) rabbit.add_vhost(name);
  const std::string at = fmt::format("umbel:umbel@127.0.0.1:{}", rabbit.port());
  for (const auto& [vhost, spellings] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"/",
            {"amqp://" + at, "amqp://" + at + "/", "amqp://" + at + "//", "amqp://" + at + "/%2F",
             "pyamqp://" + at + "//"}},
           {"app", {"amqp://" + at + "/app"}},
           {"/app", {"amqp://" + at + "//app", "amqp://" + at + "/%2Fapp"}},
           {"a b", {"amqp://" + at + "/a%20b"}}}) {
    Cluster cluster{
        servers, {.vhost = vhost, .broker = [&](const std::string&) { return spellings.front(); }}};
    cluster.umbel_worker("cpp1", {"--without-mingle"});
    for (const std::string& url : spellings) {
      EXPECT_EQ(cluster.ask(fmt::format("import celery\n"
                                        "celery.Celery(broker='{}').control.ping("
                                        "['cpp1@umbel'], timeout=PATIENCE, limit=1)",
                                        url)),
                json::parse(R"([{"cpp1@umbel": {"ok": "pong"}}])"))
          << url;
      Cluster asking{servers, {.vhost = vhost, .broker = [&](const std::string&) { return url; }}};
      const auto status = asking.umbel({"status", "--destination=cpp1@umbel", "--timeout=20000"});
      EXPECT_EQ(status.status, 0) << url << status.output;
      EXPECT_THAT(status.output, HasSubstr("cpp1@umbel: OK")) << url;
    }
  }
}

TEST(Connect, OverTls) {
  auto& rabbit = servers.rabbit();
  Cluster cluster{
      servers,
      {.backend = Backend::Rpc,
       .query = "?cacertfile=" + rabbit.tls_authority(),
       .settings = fmt::format(R"({{"broker_url": "{}", "broker_use_ssl": {{"cert_reqs": 2, )"
                               R"("ca_certs": "{}"}}}})",
                               rabbit.tls_url("app-tls"), rabbit.tls_authority()),
       .vhost = (rabbit.add_vhost("app-tls"), "app-tls"),
       .broker = [&](const std::string& vhost) { return rabbit.tls_url(vhost); }}};
  cluster.umbel_collector();
  cluster.umbel_worker();
  cluster.celery_worker({.pool = "solo"});
  EXPECT_EQ(cluster.ask("outcome((cpp('add', 1, 2) | py('py.add', 10) | cpp('add', 100)).delay())"),
            json::parse(R"({"value": 113})"))
      << cluster.logs();
  EXPECT_EQ(rabbit.eval("lists:usort([S || {_, [{ssl, S}, {vhost, <<\"app-tls\">>}]} <- "
                        "[{C, rabbit_reader:info(C, [ssl, vhost])} || C <- "
                        "rabbit_networking:connections()]])."),
            "[true]");
}

TEST(Connect, TheNextHostIsTakenWhenTheFirstIsDead) {
  Cluster cluster{servers, {.broker = [](const std::string& vhost) {
                    return "amqp://umbel:umbel@127.0.0.1:1/" + vhost + ";" +
                           servers.rabbit().url(vhost);
                  }}};
  Process& worker = cluster.umbel_worker();
  expect_well(cluster);
  // One dead host of a list is no outage.
  EXPECT_THAT(lines(worker, "does not work"), IsEmpty()) << worker.end_of_log();
  const auto status = cluster.umbel({"status", "--destination=cpp1@umbel", "--timeout=20000"});
  EXPECT_EQ(status.status, 0) << status.output;
}

// One line says so, /readyz too, the password is in neither; mended on the server, all goes on.
TEST(Connect, AWrongPasswordIsSaidAndMendedOnTheServer) {
  auto& rabbit = servers.rabbit();
  rabbit.add_user("forgetful", "right");
  Cluster cluster{servers, {.broker = [&](const std::string& vhost) {
                    rabbit.set_permissions("forgetful", vhost, ".*", ".*", ".*");
                    return with_login(rabbit.url(vhost), "forgetful:sesame");
                  }}};
  Process& worker = cluster.launch_worker();
  Process& collector = cluster.launch_collector();
  for (Process* each : {&worker, &collector}) {
    EXPECT_TRUE(each->says("ACCESS_REFUSED")) << each->end_of_log();
    EXPECT_TRUE(eventually([&] {
      return cluster.readiness(*each).find("ACCESS_REFUSED") != std::string::npos;
    })) << cluster.readiness(*each);
    EXPECT_THAT(cluster.readiness(*each), Not(HasSubstr("sesame")));
  }
  const auto status = cluster.umbel({"status"});
  EXPECT_EQ(status.status, 1) << status.output;
  EXPECT_THAT(status.output, AllOf(HasSubstr("ACCESS_REFUSED"), Not(HasSubstr("sesame"))));
  EXPECT_THAT(lines(worker, "ACCESS_REFUSED"), SizeIs(1)) << worker.end_of_log();
  rabbit.change_password("forgetful", "sesame");
  cluster.wait_until_ready(worker);
  cluster.wait_until_ready(collector);
  expect_well(cluster);
  for (Process* each : {&worker, &collector}) {
    EXPECT_THAT(lines(*each, "does not work"), SizeIs(1)) << each->end_of_log();
    EXPECT_THAT(lines(*each, "sesame"), IsEmpty());
  }
}

TEST(Connect, MissingRightsAreSaidAndMendedOnTheServer) {
  auto& rabbit = servers.rabbit();
  rabbit.add_user("weak", "weak");
  Cluster cluster{servers, {.broker = [&](const std::string& vhost) {
                    return with_login(rabbit.url(vhost), "weak:weak");
                  }}};
  rabbit.set_permissions("weak", cluster.vhost(), "^$", "^$", "^$");
  Process& worker = cluster.launch_worker();
  EXPECT_TRUE(worker.says("ACCESS_REFUSED")) << worker.end_of_log();
  EXPECT_TRUE(eventually([&] {
    return cluster.readiness(worker).find("ACCESS_REFUSED") != std::string::npos;
  })) << cluster.readiness(worker);
  const auto ping = cluster.umbel({"inspect", "ping"});
  EXPECT_EQ(ping.status, 1) << ping.output;
  EXPECT_THAT(ping.output, HasSubstr("ACCESS_REFUSED"));
  rabbit.set_permissions("weak", cluster.vhost(), ".*", ".*", ".*");
  cluster.wait_until_ready(worker);
  expect_well(cluster);
}

// With an alarm RabbitMQ reads from nobody who publishes. Tasks go on and callers of Redis hear of
// them; what is accepted meanwhile goes out afterwards.
TEST(Connect, ADiskAlarmHoldsUpPublishingAlone) {
  auto& rabbit = servers.rabbit();
  Cluster cluster{servers};
  Process& collector = cluster.umbel_collector();
  Process& worker = cluster.umbel_worker();
  const json::value early = cluster.ask("early = cpp('delayed_add', 1, 2, 4).delay(); early.id");
  ASSERT_EQ(cluster.task_in_state(std::string{early.as_string()}, "STARTED").at("state"),
            "STARTED");
  rabbit.raise_disk_alarm();
  EXPECT_EQ(cluster.ask("early.get(timeout=PATIENCE)"), 3);
  const json::value sent =
      cluster.post("/api/task/async-apply/add", json::parse(R"({"args": [20, 22]})"));
  const std::string id{sent.at("task-id").as_string()};
  for (Process* each : {&collector, &worker}) {
    EXPECT_TRUE(eventually(
        [&] { return cluster.readiness(*each).find("alarm") != std::string::npos; }, seconds{30}))
        << cluster.readiness(*each);
  }
  rabbit.raise_disk_alarm(false);
  EXPECT_EQ(cluster.task_in_state(id, "SUCCESS", seconds{40}).at("state"), "SUCCESS")
      << cluster.logs();
  cluster.wait_until_ready(worker);
  cluster.wait_until_ready(collector);
  expect_well(cluster);
}

// Ours behind a network that resets them at random bytes of either direction: with messages,
// confirms, deliveries and acknowledgements on their way.
TEST(Connect, CutAtRandomBytesNothingIsLost) {
  CutProxy proxy{servers.rabbit().port()};
  Cluster cluster{servers, {.broker = [&](const std::string& vhost) {
                    return servers.rabbit().url(vhost, proxy.port());
                  }}};
  cluster.umbel_collector();
  cluster.umbel_worker();
  cluster.celery_worker({.pool = "solo"});
  std::mt19937 random{std::random_device{}()};
  std::set<std::string> over_http;
  cluster.ask("sent = []");
  for (int round = 0; round < 10; ++round) {
    const auto bytes = std::uniform_int_distribution<std::uint64_t>{0, 6000}(random);
    const std::uint64_t before = proxy.cuts();
    proxy.cut_after(round % 2 == 0 ? Direction::ToServer : Direction::ToClient, bytes);
    cluster.ask(
        "sent += [(cpp('add', i, 1) | py('py.add', 1) | cpp('add', 1)).delay() for i in range(10)]"
        "\nNone");
    for (int i = 0; i < 5; ++i) {
      const json::value given =
          cluster.post("/api/task/async-apply/add", json::parse(R"({"args": [1, 1]})"));
      over_http.emplace(given.at("task-id").as_string());
    }
    EXPECT_TRUE(eventually([&] { return proxy.cuts() > before; }, seconds{20})) << round;
  }
  EXPECT_EQ(cluster.ask("sorted(each.get(timeout=60) for each in sent) == "
                        "sorted(i + 3 for i in range(10) for _ in range(10))"),
            true)
      << cluster.logs();
  for (const std::string& id : over_http) {
    EXPECT_EQ(cluster.task_in_state(id, "SUCCESS", seconds{60}).at("state"), "SUCCESS") << id;
  }
  EXPECT_TRUE(eventually(
      [&] {
        for (const auto& queue : servers.rabbit().queues(cluster.vhost())) {
          if (queue.name == "umbel" && queue.ready + queue.unacked > 0) return false;
        }
        return true;
      },
      seconds{30}));
}

TEST(Connect, ASlowNetworkDelaysAndNothingElse) {
  CutProxy proxy{servers.rabbit().port()};
  Cluster cluster{servers, {.broker = [&](const std::string& vhost) {
                    return servers.rabbit().url(vhost, proxy.port());
                  }}};
  Process& worker = cluster.umbel_worker();
  proxy.slow(20'000);
  EXPECT_EQ(cluster.ask("sum(each.get(timeout=60) for each in "
                        "[cpp('add', i, 0).delay() for i in range(30)])"),
            435)
      << cluster.logs();
  EXPECT_THAT(lines(worker, "does not work"), IsEmpty()) << worker.end_of_log();
}

// The last one, as it stops the server.
TEST(Connect, ZStartedBeforeTheServerTheySaySoOnce) {
  Cluster cluster{servers};
  servers.rabbit().stop();
  Process& worker = cluster.launch_worker();
  Process& collector = cluster.launch_collector();
  for (Process* each : {&worker, &collector}) {
    EXPECT_TRUE(each->says("does not work")) << each->end_of_log();
    EXPECT_TRUE(eventually([&] {
      return cluster.readiness(*each).find("127.0.0.1") != std::string::npos;
    })) << cluster.readiness(*each);
  }
  const auto status = cluster.umbel({"status"});
  EXPECT_EQ(status.status, 1) << status.output;
  EXPECT_THAT(status.output, HasSubstr("127.0.0.1")) << status.output;
  servers.rabbit().start();
  cluster.wait_until_ready(worker);
  cluster.wait_until_ready(collector);
  expect_well(cluster);
  for (Process* each : {&worker, &collector}) {
    EXPECT_THAT(lines(*each, "does not work"), SizeIs(1)) << each->end_of_log();
    EXPECT_TRUE(eventually([&] { return lines(*each, "works again").size() == 1; }));
    EXPECT_THAT(lines(*each, " error "), IsEmpty());
  }
}

}  // namespace
}  // namespace umbel::interop
