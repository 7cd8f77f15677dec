// What happens to the port's promises when the server or the network does not do its part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "rabbitmq_stand.hpp"
#include "umbel/testing/cut_proxy.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel {
namespace {

using testing::CutProxy;
using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using RabbitmqFaults = RabbitmqStand;

TEST_F(RabbitmqFaults, AWrongPasswordIsSaidWithoutIt) {
  auto url = server().url(vhost);
  url.replace(url.find(":umbel@"), 7, ":sesame@");
  const auto broker = open(url);
  for (const auto& refused : {broker->ping(), publish(*broker, "1")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Unavailable);
    EXPECT_THAT(refused.error().what, HasSubstr("ACCESS_REFUSED"));
    EXPECT_THAT(refused.error().what, Not(HasSubstr("sesame")));
  }
}

TEST_F(RabbitmqFaults, AVirtualHostThatIsNotThereIsNamed) {
  const auto broker = open(server().url("nowhere"));
  const auto refused = broker->ping();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("nowhere"));
}

TEST_F(RabbitmqFaults, OverTlsTheServerHasToProveWhoItIs) {
  const auto known = open(server().tls_url(vhost) + "?cacertfile=" + server().tls_authority());
  EXPECT_TRUE(known->ping()) << known->ping().error().what;
  EXPECT_TRUE(publish(*known, "1"));
  EXPECT_THAT(bodies(take(*consume(*known), 1)), ElementsAre("1"));
  const auto unknown = open(server().tls_url(vhost));
  const auto refused = unknown->ping();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("verif"));
  // An address, which the certificate names as well; and a name that it does not.
  const auto with_host = [&](const std::string& host) {
    auto url = server().tls_url(vhost);
    url.replace(url.find("localhost"), 9, host);
    return open(url + "?cacertfile=" + server().tls_authority());
  };
  const auto by_address = with_host("127.0.0.1")->ping();
  EXPECT_TRUE(by_address) << by_address.error().what;
  const auto by_another = with_host("127.1")->ping();
  ASSERT_FALSE(by_another);
  EXPECT_THAT(by_another.error().what, HasSubstr("verif"));
  const auto careless = open(server().tls_url(vhost) + "?verify=verify_none");
  EXPECT_TRUE(careless->ping());
  const auto nothing = open(server().tls_url(vhost) + "?cacertfile=/nowhere.pem");
  const auto unread = nothing->ping();
  ASSERT_FALSE(unread);
  EXPECT_THAT(unread.error().what, HasSubstr("/nowhere.pem"));
}

TEST_F(RabbitmqFaults, OverTlsTheMachinesAuthoritiesAreTrusted) {
  ASSERT_EQ(setenv("SSL_CERT_FILE", server().tls_authority().c_str(), 1), 0);
  {
    const auto broker = open(server().tls_url(vhost));
    const auto known = broker->ping();
    EXPECT_TRUE(known) << known.error().what;
  }
  unsetenv("SSL_CERT_FILE");
}

TEST_F(RabbitmqFaults, MissingRightsAreNamedAndComeWithTheirGrant) {
  server().add_user("weak", "weak");
  server().set_permissions("weak", vhost, "^$", "^$", "^$");
  auto url = server().url(vhost);
  url.replace(url.find("umbel:umbel@"), 12, "weak:weak@");
  const auto broker = open(url);
  EXPECT_TRUE(broker->ping());
  const auto refused = publish(*broker, "1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  EXPECT_THAT(refused.error().what, HasSubstr("ACCESS_REFUSED"));
  EXPECT_THAT(refused.error().what, HasSubstr("`q`"));
  const auto consumed =
      broker->consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "c"});
  ASSERT_FALSE(consumed);
  EXPECT_THAT(consumed.error().what, HasSubstr("ACCESS_REFUSED"));

  server().set_permissions("weak", vhost, ".*", ".*", "^$");
  EXPECT_TRUE(eventually([&] { return publish(*broker, "1").has_value(); }));
  server().set_permissions("weak", vhost, ".*", ".*", ".*");
  EXPECT_TRUE(eventually([&] {
    auto consumer = broker->consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "c"});
    return consumer.has_value();
  }));
}

TEST_F(RabbitmqFaults, CallsEndWhileNobodyListens) {
  const auto broker = open("amqp://umbel:umbel@127.0.0.1:1/v");
  const auto begin = Steady::now();
  EXPECT_FALSE(broker->ping());
  EXPECT_FALSE(publish(*broker, "1"));
  EXPECT_FALSE(broker->publish_events("[]", {}));
  EXPECT_FALSE(broker->queues());
  EXPECT_FALSE(broker->subscribe({.name = "c", .after = {}}));
  EXPECT_FALSE(broker->reply_box());
  EXPECT_LT(Steady::now() - begin, kLong);
}

TEST_F(RabbitmqFaults, TheNextHostOfTheListIsTaken) {
  const auto broker = open("amqp://127.0.0.1:1/x;" + server().url(vhost));
  EXPECT_TRUE(eventually([&] { return broker->ping().has_value(); }));
}

TEST_F(RabbitmqFaults, AConsumerThatGoesWhileTheServerStandsStillIsGoneAfterwards) {
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()));
  ASSERT_TRUE(publish(*broker, "1"));
  auto consumer = consume(*broker);
  ASSERT_EQ(take(*consumer, 1).size(), 1U);
  proxy.stall(testing::Direction::ToClient);
  const auto sent = proxy.forwarded(testing::Direction::ToServer);
  std::jthread asking{[&] { (void)broker->ping(); }};
  ASSERT_TRUE(eventually([&] { return proxy.forwarded(testing::Direction::ToServer) > sent; }));
  consumer.reset();  // the thread of the connection waits for an answer all the while
  proxy.stall(testing::Direction::ToClient, false);
  asking.join();
  EXPECT_TRUE(eventually([&] { return seen("q")->consumers == 0 && seen("q")->ready == 1; }));
}

TEST_F(RabbitmqFaults, AForcedCloseCostsNothingThatWasAccepted) {
  Lines lines;
  const auto broker = open(server().url(vhost), lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  ASSERT_TRUE(publish(*broker, "2"));
  const auto consumer = consume(*broker);
  const auto held = take(*consumer, 2);
  ASSERT_EQ(held.size(), 2U);
  server().close_connections();
  const auto again = take(*consumer, 2);
  ASSERT_THAT(bodies(again), ElementsAre("1", "2"));
  EXPECT_TRUE(again[0].redelivered);
  // Those tags are of the past.
  EXPECT_EQ(*consumer->ack(tags(held)), tags(held));
  EXPECT_THAT(*consumer->ack(tags(again)), IsEmpty());
  EXPECT_TRUE(eventually([&] { return publish(*broker, "3").has_value(); }));
  // The two connections are closed one after the other: the first may be back before the second
  // goes.
  EXPECT_TRUE(eventually([&] {
    const auto outages = lines.with("does not work");
    return outages > 0 && lines.with("works again") == outages;
  }));
  EXPECT_LE(lines.with("does not work"), 2U);
}

TEST_F(RabbitmqFaults, NothingAcceptedIsLostWhileTheConnectionIsCut) {
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()));
  std::set<std::string> accepted;
  std::set<std::string> got;
  const auto consumer = consume(*broker, 50);
  std::atomic<bool> published = false;
  std::jthread publishing{[&] {
    for (int i = 0; i < 300; ++i) {
      const auto body = std::to_string(i);
      while (!publish(*broker, body)) std::this_thread::yield();  // as the outbox does
      accepted.insert(body);
    }
    published = true;
  }};
  std::jthread cutting{[&] {
    // Anywhere in a frame, of either direction: messages, confirms, deliveries, acknowledgements.
    for (std::uint64_t i = 0; i < 12; ++i) {
      proxy.cut_after(i % 2 == 0 ? testing::Direction::ToServer : testing::Direction::ToClient,
                      3000 + i * 777);
      eventually([&] { return proxy.cuts() > i || published; }, std::chrono::seconds{5});
    }
  }};
  const auto until = Steady::now() + std::chrono::seconds{60};
  while (Steady::now() < until) {
    const auto taken = consumer->next(20, std::chrono::milliseconds{50}, {});
    if (!taken) continue;
    for (const auto& delivery : *taken) got.insert(delivery.message.body);
    (void)consumer->ack(tags(*taken));
    if (published && got.size() >= 300) break;
  }
  publishing.join();
  cutting.join();
  EXPECT_EQ(accepted.size(), 300U);
  EXPECT_EQ(got, accepted);
  EXPECT_GE(proxy.cuts(), 3U);
  EXPECT_TRUE(eventually([&] {
    const auto left = consumer->next(100, std::chrono::milliseconds{50}, {});
    if (left) (void)consumer->ack(tags(*left));
    const auto queue = seen("q");
    return queue->ready + queue->unacked == 0;
  }));
}

TEST_F(RabbitmqFaults, ASlowServerIsWaitedFor) {
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()));
  ASSERT_TRUE(broker->ping());
  proxy.slow(40'000);
  EXPECT_TRUE(publish(*broker, std::string(30'000, 'x')));
  EXPECT_EQ(take(*consume(*broker), 1).size(), 1U);
}

TEST_F(RabbitmqFaults, AServerThatStandsStillIsAnErrorWithinTheLimit) {
  confirm_limit = std::chrono::milliseconds{500};
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()));
  ASSERT_TRUE(publish(*broker, "1"));
  proxy.stall(testing::Direction::ToClient);
  const auto refused = publish(*broker, "2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Unavailable);
  proxy.stall(testing::Direction::ToClient, false);
  EXPECT_TRUE(eventually([&] { return publish(*broker, "3").has_value(); }));
}

TEST_F(RabbitmqFaults, WhatAFrozenConsumerHeldGoesToOthersAfterAFewHeartbeats) {
  CutProxy proxy{server().port()};
  const auto frozen = open(server().url(vhost, proxy.port()) + "?heartbeat=2");
  ASSERT_TRUE(publish(*frozen, "1"));
  const auto holder = consume(*frozen);
  const auto held = take(*holder, 1);
  ASSERT_THAT(bodies(held), ElementsAre("1"));
  // As the server sees it: nothing comes any more, and the connection is there.
  proxy.stall(testing::Direction::ToServer);
  const auto broker = open();
  const auto other = consume(*broker);
  const auto again = take(*other, 1);
  ASSERT_THAT(bodies(again), ElementsAre("1"));
  EXPECT_TRUE(again[0].redelivered);
  EXPECT_THAT(*other->ack(tags(again)), IsEmpty());
  EXPECT_TRUE(eventually([&] { return holder->ack(tags(held)).value() == tags(held); }));
}

TEST_F(RabbitmqFaults, AServerThatStandsStillForAMomentCostsNothing) {
  Lines lines;
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()) + "?heartbeat=2", lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  const auto consumer = consume(*broker);
  const auto held = take(*consumer, 1);
  proxy.stall(testing::Direction::ToClient);
  std::this_thread::sleep_for(std::chrono::milliseconds{5500});  // a standstill's length is tried
  proxy.stall(testing::Direction::ToClient, false);
  EXPECT_TRUE(broker->ping());
  EXPECT_THAT(*consumer->ack(tags(held)), IsEmpty());
  EXPECT_EQ(lines.with("does not work"), 0U);
  EXPECT_TRUE(eventually([&] { return seen("q")->ready + seen("q")->unacked == 0; }));
}

TEST_F(RabbitmqFaults, AConnectionThatIsNotReadForLackOfRoomStaysUp) {
  Lines lines;
  const auto sender = open();
  const auto reader = open(server().url(vhost) + "?heartbeat=2", lines.log());
  auto events = reader->subscribe({.name = "c1", .after = {}});
  ASSERT_TRUE(events);
  constexpr int kBatches = 90;  // of a megabyte: more than is read ahead
  const std::string filler(1'000'000, 'x');
  for (int i = 0; i < kBatches; ++i) {
    ASSERT_TRUE(sender->publish_events("[" + std::to_string(i) + ",\"" + filler + "\"]", {}));
  }
  std::this_thread::sleep_for(std::chrono::seconds{9});  // how long nobody reads is tried
  EXPECT_EQ(lines.with("does not work"), 0U);
  int next = 0;
  const auto until = Steady::now() + kLong;
  while (next < kBatches && Steady::now() < until) {
    const auto batches = (*events)->next(3, std::chrono::milliseconds{100}, {});
    ASSERT_TRUE(batches) << batches.error().what;
    for (const auto& batch : *batches) {
      EXPECT_EQ(batch.body.substr(0, batch.body.find(',')), "[" + std::to_string(next++));
    }
  }
  EXPECT_EQ(next, kBatches);
  EXPECT_EQ(lines.with("does not work"), 0U);
}

TEST_F(RabbitmqFaults, ALargeMessageOverASlowLineIsNoSilence) {
  confirm_limit = std::chrono::milliseconds{30'000};
  Lines lines;
  CutProxy proxy{server().port()};
  const auto broker = open(server().url(vhost, proxy.port()) + "?heartbeat=2", lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  proxy.slow(300'000);
  EXPECT_TRUE(publish(*broker, std::string(3'000'000, 'x')));
  EXPECT_EQ(lines.with("does not work"), 0U);
}

TEST_F(RabbitmqFaults, AFullDiskIsAnErrorThatSaysSoAndPasses) {
  confirm_limit = std::chrono::milliseconds{1000};
  const auto broker = open();
  ASSERT_TRUE(publish(*broker, "1"));
  const auto consumer = consume(*broker);
  server().raise_disk_alarm();
  EXPECT_TRUE(eventually([&] {
    const auto refused = publish(*broker, "2");
    return !refused && refused.error().what.find("alarm") != std::string::npos;
  }));
  EXPECT_FALSE(broker->ping());
  // Who only consumes is not blocked.
  const auto taken = take(*consumer, 1);
  EXPECT_THAT(bodies(taken), ElementsAre("1"));
  EXPECT_THAT(*consumer->ack(tags(taken)), IsEmpty());
  server().raise_disk_alarm(false);
  EXPECT_TRUE(eventually([&] { return publish(*broker, "3").has_value(); }));
  EXPECT_TRUE(broker->ping());
}

TEST_F(RabbitmqFaults, AKilledServerComesBackWithWhatItConfirmed) {
  Lines lines;
  const auto broker = open(server().url(vhost), lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  const auto consumer = consume(*broker);
  const auto held = take(*consumer, 1);
  auto inbox = broker->control_inbox("w@h");
  ASSERT_TRUE(inbox);
  auto events = broker->subscribe({.name = "c1", .after = {}});
  ASSERT_TRUE(events);
  ASSERT_TRUE(publish(*broker, "2"));
  server().kill();
  EXPECT_TRUE(eventually([&] { return !broker->ping(); }));
  const auto begin = Steady::now();
  EXPECT_FALSE(publish(*broker, "3"));
  EXPECT_FALSE(broker->publish_events("[]", {}));
  EXPECT_LT(Steady::now() - begin, kLong);
  server().start();
  EXPECT_TRUE(eventually([&] { return broker->ping().has_value(); }, kBack));
  auto again = take(*consumer, 2);
  EXPECT_THAT(bodies(again), ElementsAre("1", "2"));
  EXPECT_EQ(*consumer->ack(tags(held)), tags(held));
  EXPECT_THAT(*consumer->ack(tags(again)), IsEmpty());
  EXPECT_TRUE(eventually([&] { return publish(*broker, "4").has_value(); }, kBack));

  // Remote control and events are there again too.
  Message request;
  request.body = "{}";
  EXPECT_TRUE(eventually(
      [&] {
        if (!broker->broadcast(request)) return false;
        const auto heard = (*inbox)->next(1, std::chrono::milliseconds{100}, {});
        return heard && !heard->empty();
      },
      kBack));
  EXPECT_TRUE(eventually([&] { return broker->publish_events("[1]", {}).has_value(); }, kBack));
  EXPECT_TRUE(eventually([&] {
    const auto batches = (*events)->next(1, std::chrono::milliseconds{100}, {});
    return batches && !batches->empty();
  }));
  EXPECT_EQ(lines.with("does not work"), 1U);
  EXPECT_TRUE(eventually([&] { return lines.with("works again") == 1; }, kBack));
}

TEST_F(RabbitmqFaults, AServerThatStartsLaterIsFound) {
  server().stop();
  const auto broker = open();
  EXPECT_FALSE(broker->ping());
  server().start();
  EXPECT_TRUE(eventually([&] { return broker->ping().has_value(); }, kBack));
  EXPECT_TRUE(publish(*broker, "1"));
}

}  // namespace
}  // namespace umbel
