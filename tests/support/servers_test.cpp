// The servers that tests start and break do what they say.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/cut_proxy.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/raw_connection.hpp"
#include "umbel/testing/redis_server.hpp"

namespace umbel::testing {
namespace {

class Servers : public ::testing::Test {
 public:
  static void SetUpTestSuite() { rabbit = std::make_unique<RabbitServer>(); }
  static void TearDownTestSuite() { rabbit.reset(); }

  static std::unique_ptr<RabbitServer> rabbit;
};

std::unique_ptr<RabbitServer> Servers::rabbit;

TEST_F(Servers, ARabbitEvaluatesAndHasVirtualHosts) {
  EXPECT_EQ(rabbit->eval("1 + 1."), "2");
  EXPECT_THROW(rabbit->eval("no_such_module:call()."), std::runtime_error);
  const std::string vhost = rabbit->fresh_vhost();
  EXPECT_NE(vhost, rabbit->fresh_vhost());
  EXPECT_TRUE(rabbit->queues(vhost).empty());
}

TEST_F(Servers, ARabbitKeepsItsQueuesOverAKill) {
  const std::string vhost = rabbit->fresh_vhost();
  // What was not confirmed may not be on the disk yet.
  CeleryApp celery{
      {.broker = rabbit->url(vhost),
       .backend = "",
       .environment = {
           {"UMBEL_TEST_SETTINGS", R"({"broker_transport_options": {"confirm_publish": true}})"}}}};
  celery.ask("[app.send_task('py.add', [1, 2]) for _ in range(3)]");
  std::string said;
  const auto three = [&] {
    const auto queues = rabbit->queues(vhost);
    said.clear();
    for (const auto& each : queues) {
      said += each.name + " " + each.type + " " + std::to_string(each.ready) + "\n";
    }
    return queues.size() == 1 && queues[0].name == "celery" && queues[0].type == "classic" &&
           queues[0].ready == 3 && queues[0].consumers == 0 && queues[0].durable;
  };
  EXPECT_TRUE(eventually(three)) << said;
  const std::uint16_t port = rabbit->port();
  rabbit->kill();
  EXPECT_FALSE(rabbit->running());
  rabbit->start();
  EXPECT_EQ(rabbit->port(), port);
  EXPECT_TRUE(eventually(three)) << said;
}

TEST_F(Servers, ARabbitBlocksPublishersAndRefusesUsers) {
  const std::string vhost = rabbit->fresh_vhost();
  rabbit->raise_disk_alarm();
  EXPECT_NE(rabbit->eval("rabbit_alarm:get_alarms()."), "[]");
  rabbit->raise_disk_alarm(false);
  EXPECT_EQ(rabbit->eval("rabbit_alarm:get_alarms()."), "[]");
  rabbit->add_user("guest\"2", "secret");
  rabbit->set_permissions("guest\"2", vhost, "^$", "^$", ".*");
  RawConnection connection{rabbit->port()};
  connection.write(std::string_view{"AMQP\0\0\x09\x01", 8});
  rabbit->close_connections();
}

TEST_F(Servers, ACeleryWorkerServesWhatThePythonSideAsks) {
  const std::string vhost = rabbit->fresh_vhost();
  RedisServer redis;
  CeleryApp celery{{.broker = rabbit->url(vhost), .backend = redis.url()}};
  const auto worker = celery.worker({.pool = "solo"});
  EXPECT_EQ(celery.ask("answer = py('py.add', 1, 2).delay().get(timeout=PATIENCE)\nanswer"), "3");
  EXPECT_EQ(celery.ask("answer"), "3");
  EXPECT_EQ(redis.ask({"DBSIZE"}), "1");
  EXPECT_THROW(celery.ask("1 / 0"), std::runtime_error);
  const auto pinged = celery.command({"inspect", "ping"});
  EXPECT_EQ(pinged.status, 0) << pinged.output;
  EXPECT_NE(pinged.output.find("py1@celery"), std::string::npos) << pinged.output;
  EXPECT_NE(celery.command({"inspect", "nonsense"}).status, 0);
  EXPECT_TRUE(worker->stop()) << worker->end_of_log();
}

TEST(RabbitServer, HasTlsAndManagementWhenAskedFor) {
  RabbitServer rabbit{{.management = true, .tls = true}};
  CeleryApp celery{{.broker = rabbit.tls_url(),
                    .backend = "",
                    .environment = {{"UMBEL_TEST_SETTINGS",
                                     R"({"broker_use_ssl": {"cert_reqs": 2, "ca_certs": ")" +
                                         rabbit.tls_authority() + "\"}}"}}}};
  celery.ask("app.send_task('py.add', [1, 2])");
  EXPECT_TRUE(eventually([&] {
    const auto queues = rabbit.queues("/");
    return queues.size() == 1 && queues[0].ready == 1;
  }));
  const std::string listed = celery.ask(
      "import urllib.request, base64\n"
      "request = urllib.request.Request('" +
      rabbit.management_address() +
      "/api/queues')\n"
      "request.add_header('Authorization', 'Basic ' + base64.b64encode(b'umbel:umbel').decode())\n"
      "urllib.request.urlopen(request, timeout=10).read().decode()");
  EXPECT_NE(listed.find("celery"), std::string::npos) << listed;
  rabbit.stop();
  EXPECT_FALSE(rabbit.running());
}

TEST(RedisServer, AnswersAndIsEmptyAfterAKill) {
  RedisServer redis{"secret"};
  EXPECT_EQ(redis.ask({"SET", "key", "two words"}), "OK");
  EXPECT_EQ(redis.ask({"GET", "key"}), "two words");
  EXPECT_EQ(redis.ask({"GET", "key"}, 1), "(nil)");
  EXPECT_EQ(redis.ask({"KEYS", "*"}), "key\n");
  EXPECT_THROW(redis.ask({"NONSENSE"}), std::runtime_error);
  redis.kill();
  EXPECT_THROW(redis.ask({"PING"}), std::runtime_error);
  redis.start();
  EXPECT_EQ(redis.ask({"GET", "key"}), "(nil)");
}

class Proxy : public ::testing::Test {
 public:
  RedisServer redis;
  CutProxy proxy{redis.port()};
};

// How much of an answer of `wanted` bytes came through before the other side closed.
std::size_t received(std::uint16_t port, std::size_t wanted) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    close(fd);
    return 0;
  }
  const timeval limit{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const std::string request = "ECHO " + std::string(100, 'x') + "\r\n";  // answered by 108 bytes
  std::ignore = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::size_t total = 0;
  char bytes[1024];
  while (total < wanted) {
    const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) break;
    total += static_cast<std::size_t>(got);
  }
  close(fd);
  return total;
}

TEST_F(Proxy, PassesOnAndCutsAfterAByte) {
  constexpr std::size_t kAnswer = 6 + 100 + 2;
  EXPECT_EQ(received(proxy.port(), kAnswer), kAnswer);
  EXPECT_EQ(proxy.forwarded(Direction::ToClient), kAnswer);
  proxy.cut_after(Direction::ToClient, 17);
  EXPECT_EQ(received(proxy.port(), kAnswer), 17U);
  EXPECT_EQ(proxy.cuts(), 1U);
  EXPECT_EQ(received(proxy.port(), kAnswer), kAnswer);
  proxy.cut_after(Direction::ToServer, 50);
  EXPECT_EQ(received(proxy.port(), kAnswer), 0U);
  EXPECT_EQ(proxy.cuts(), 2U);
  EXPECT_EQ(proxy.accepted(), 4U);
}

TEST_F(Proxy, StandsStillIsSlowAndRefuses) {
  constexpr std::size_t kAnswer = 6 + 100 + 2;
  proxy.stall(Direction::ToClient);
  std::size_t got = 0;
  std::jthread waiting{[&] { got = received(proxy.port(), kAnswer); }};
  EXPECT_TRUE(eventually([&] { return proxy.forwarded(Direction::ToServer) == 107; }));
  EXPECT_EQ(proxy.forwarded(Direction::ToClient), 0U);
  proxy.stall(Direction::ToClient, false);
  waiting.join();
  EXPECT_EQ(got, kAnswer);

  proxy.slow(200);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(received(proxy.port(), kAnswer), kAnswer);
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds{300});
  proxy.slow(0);

  proxy.refuse();
  EXPECT_FALSE(RawConnection{proxy.port()}.connected());
  proxy.refuse(false);
  EXPECT_EQ(received(proxy.port(), kAnswer), kAnswer);
}

TEST_F(Proxy, CutsWhatIsOpen) {
  RawConnection connection{proxy.port()};
  ASSERT_TRUE(eventually([&] { return proxy.open() == 1; }));
  proxy.cut_now();
  EXPECT_TRUE(connection.closed());
  EXPECT_EQ(proxy.open(), 0U);
}

}  // namespace
}  // namespace umbel::testing
