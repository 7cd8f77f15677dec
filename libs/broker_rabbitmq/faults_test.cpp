// What happens to the port's promises when the server or the network does not do its part. One real
// server for the whole program, a virtual host for each case.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/testing/cut_proxy.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel {
namespace {

using testing::CutProxy;
using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::RabbitServer;

constexpr std::chrono::milliseconds kLong{20'000};
constexpr std::chrono::seconds kBack{30};  // a server that starts on a busy machine

RabbitServer& server() {
  static RabbitServer one{
      {.management = true, .tls = true, .more = {"max_message_size = 17000000"}}};
  return one;
}

OutgoingMessage a_message(const std::string& body, const std::string& queue = "q") {
  OutgoingMessage outgoing;
  outgoing.queue = QueueName{queue};
  outgoing.message.content_type = "application/json";
  outgoing.message.headers = "{}";
  outgoing.message.body = body;
  return outgoing;
}

// The lines of a log, for counting.
class Lines {
 public:
  [[nodiscard]] Log log() {
    return {"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
              const std::lock_guard lock{mutex_};
              lines_.emplace_back(text);
            }};
  }
  [[nodiscard]] std::size_t with(const std::string& part) const {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (const auto& line : lines_) count += line.find(part) != std::string::npos ? 1U : 0U;
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class RabbitmqFaults : public ::testing::Test {
 protected:
  void SetUp() override { vhost = server().fresh_vhost(); }

  [[nodiscard]] std::unique_ptr<Broker> open(const std::string& url, Log log = Log::none()) const {
    auto parsed = parse_amqp_url(url);
    if (!parsed) throw std::runtime_error{parsed.error().what};
    return open_rabbitmq_broker({.url = *parsed,
                                 .answer_limit = std::chrono::milliseconds{5000},
                                 .confirm_limit = confirm_limit},
                                clock, std::move(log));
  }
  [[nodiscard]] std::unique_ptr<Broker> open() const { return open(server().url(vhost)); }
  [[nodiscard]] static Result<void> publish(Broker& broker, const std::string& body,
                                            const std::string& queue = "q") {
    const auto message = a_message(body, queue);
    return broker.publish({&message, 1});
  }
  [[nodiscard]] static std::unique_ptr<Consumer> consume(Broker& broker,
                                                         std::size_t prefetch = 100) {
    auto made =
        broker.consume({.queues = {QueueName{"q"}}, .prefetch = prefetch, .consumer = "tester"});
    if (!made) throw std::runtime_error{made.error().what};
    return std::move(*made);
  }
  // Until it has `count`; errors in between are outages.
  [[nodiscard]] static std::vector<Delivery> take(Consumer& consumer, std::size_t count) {
    std::vector<Delivery> all;
    const auto until = Steady::now() + kLong;
    while (all.size() < count && Steady::now() < until) {
      auto some = consumer.next(count - all.size(), std::chrono::milliseconds{100}, {});
      if (some) std::ranges::move(*some, std::back_inserter(all));
    }
    return all;
  }
  static std::vector<std::string> bodies(const std::vector<Delivery>& deliveries) {
    std::vector<std::string> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.message.body);
    return all;
  }
  static std::vector<DeliveryTag> tags(const std::vector<Delivery>& deliveries) {
    std::vector<DeliveryTag> all;
    for (const auto& delivery : deliveries) all.push_back(delivery.tag);
    return all;
  }
  [[nodiscard]] std::optional<testing::RabbitQueue> seen(const std::string& name) const {
    for (auto& queue : server().queues(vhost)) {
      if (queue.name == name) return queue;
    }
    return std::nullopt;
  }

  const SystemClock clock;
  std::string vhost;
  std::chrono::milliseconds confirm_limit{10'000};
};

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

TEST_F(RabbitmqFaults, AQueueWithOtherArgumentsIsTakenAsItIs) {
  const auto ranked = open(server().url(vhost) + "?max_priority=5");
  ASSERT_TRUE(publish(*ranked, "1"));
  const auto plain = open();
  ASSERT_TRUE(publish(*plain, "2"));
  const auto quorum = open(server().url(vhost) + "?queue_type=quorum");
  ASSERT_TRUE(publish(*quorum, "3"));
  EXPECT_EQ(seen("q")->type, "classic");
  EXPECT_THAT(bodies(take(*consume(*plain), 3)), ElementsAre("1", "2", "3"));
}

TEST_F(RabbitmqFaults, QuorumQueuesDoAllThatOthersDo) {
  const auto broker = open(server().url(vhost) + "?queue_type=quorum");
  ASSERT_TRUE(publish(*broker, "1"));
  ASSERT_TRUE(publish(*broker, "2"));
  EXPECT_EQ(seen("q")->type, "quorum");
  auto consumer = consume(*broker, 1);
  const auto first = take(*consumer, 1);
  consumer->set_prefetch(5);
  const auto second = take(*consumer, 1);
  ASSERT_THAT(bodies(second), ElementsAre("2"));
  EXPECT_THAT(*consumer->ack(tags(second)), IsEmpty());
  EXPECT_TRUE(consumer->requeue(tags(first)));
  const auto again = take(*consumer, 1);
  ASSERT_THAT(bodies(again), ElementsAre("1"));
  EXPECT_TRUE(again[0].redelivered);
  EXPECT_TRUE(consumer->reject(tags(again)));
  consumer.reset();
  EXPECT_TRUE(eventually([&] { return seen("q")->ready + seen("q")->unacked == 0; }));
}

TEST_F(RabbitmqFaults, APrefetchThatIsRaisedOftenHoldsNoMoreThanTwiceAsMuch) {
  const auto broker = open();
  std::vector<OutgoingMessage> batch;
  for (int i = 0; i < 300; ++i) batch.push_back(a_message(std::to_string(i)));
  ASSERT_TRUE(broker->publish(batch));
  const auto consumer = consume(*broker, 4);
  // As a worker does that sets tasks aside until their time: room for one more each time.
  std::vector<Delivery> held;
  for (std::size_t room = 4; room < 60; ++room) {
    consumer->set_prefetch(room);
    std::ranges::move(take(*consumer, room - held.size()), std::back_inserter(held));
    ASSERT_EQ(held.size(), room);
  }
  for (std::size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].message.body, std::to_string(i));
  }
  EXPECT_TRUE(eventually([&] { return seen("q")->unacked <= 2 * held.size(); }));
  EXPECT_THAT(*consumer->ack(tags(held)), IsEmpty());
  consumer->set_prefetch(2);
  EXPECT_TRUE(eventually([&] { return seen("q")->unacked <= 2; }));
  const auto next = take(*consumer, 2);
  EXPECT_THAT(bodies(next), ElementsAre("59", "60"));
}

TEST_F(RabbitmqFaults, ADelayedMessageWaitsOnTheServerAndComesAtItsTime) {
  const auto broker = open();
  auto later = a_message("later", "a.b");
  later.not_before = clock.wall() + std::chrono::milliseconds{2400};
  const std::vector<OutgoingMessage> batch{later};
  ASSERT_TRUE(broker->publish(batch));
  auto other = broker->consume({.queues = {QueueName{"b"}}, .prefetch = 9, .consumer = "b"});
  auto mine = broker->consume({.queues = {QueueName{"a.b"}}, .prefetch = 9, .consumer = "ab"});
  ASSERT_TRUE(other && mine);
  EXPECT_EQ(seen("a.b")->ready + seen("a.b")->unacked, 0U);
  const auto taken = (*mine)->next(9, kLong, {});
  const auto at = clock.wall();
  ASSERT_TRUE(taken);
  ASSERT_THAT(bodies(*taken), ElementsAre("later"));
  EXPECT_GE(at, *later.not_before);
  EXPECT_EQ(taken->front().message, later.message);  // nothing of the way is left on it
  EXPECT_TRUE((*mine)->ack(tags(*taken)));
  EXPECT_THAT(*(*other)->next(9, std::chrono::milliseconds{200}, {}), IsEmpty());

  // Sent on, as a worker does that holds too many: it goes the same way once more.
  auto again = OutgoingMessage{QueueName{"a.b"}, taken->front().message,
                               clock.wall() + std::chrono::milliseconds{2100}};
  ASSERT_TRUE(broker->publish({&again, 1}));
  const auto twice = (*mine)->next(9, kLong, {});
  ASSERT_TRUE(twice);
  EXPECT_THAT(bodies(*twice), ElementsAre("later"));
}

TEST_F(RabbitmqFaults, AMessageThatTheServerNeverTakesIsRefusedForGood) {
  const auto broker = open();
  const auto refused = publish(*broker, std::string(18'000'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_THAT(refused.error().what, HasSubstr("PRECONDITION_FAILED"));
  EXPECT_TRUE(eventually([&] { return publish(*broker, "small").has_value(); }));
}

TEST_F(RabbitmqFaults, HeadersThatFitNoFrameAreRefusedForGoodAndDisturbNobody) {
  Lines lines;
  const auto broker = open(server().url(vhost), lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  auto large = a_message("2");
  large.message.headers = "{\"a\": \"" + std::string(200'000, 'x') + "\"}";
  const auto refused = broker->publish({&large, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_TRUE(publish(*broker, "3"));
  // The largest that fit.
  large.message.headers = "{\"a\": \"" + std::string(127'900, 'x') + "\"}";
  const auto fits = broker->publish({&large, 1});
  EXPECT_TRUE(fits) << fits.error().what;
  EXPECT_EQ(lines.with("does not work"), 0U);
  const auto taken = take(*consume(*broker), 3);
  ASSERT_THAT(bodies(taken), ElementsAre("1", "3", "2"));
  EXPECT_EQ(taken[2].message.headers, large.message.headers);
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

TEST_F(RabbitmqFaults, ADelayBeyondTheLevelsIsRefused) {
  const auto broker = open();
  auto late = a_message("x");
  late.not_before = clock.wall() + std::chrono::hours{24 * 366 * 9};
  const auto refused = broker->publish({&late, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
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
  EXPECT_TRUE(eventually([&] { return lines.with("works again") == 1; }));
  EXPECT_EQ(lines.with("does not work"), 1U);
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

TEST_F(RabbitmqFaults, EventsHandedOutAreNotHandedOutTwiceOverACut) {
  CutProxy proxy{server().port()};
  const auto sender = open();
  const auto reader = open(server().url(vhost, proxy.port()));
  auto subscribed = reader->subscribe({.name = "c1", .after = 41});
  ASSERT_TRUE(subscribed);
  auto& events = **subscribed;
  const auto send = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(sender->publish_events("[" + std::to_string(i) + "]",
                                         {.key = "task.multi", .node = "w"}));
    }
  };
  std::vector<std::string> read;
  EventOffset last = 41;
  const auto read_until = [&](std::size_t count) {
    const auto until = Steady::now() + kLong;
    while (read.size() < count && Steady::now() < until) {
      const auto batches = events.next(3, std::chrono::milliseconds{100}, {});
      if (!batches) continue;
      for (const auto& batch : *batches) {
        EXPECT_EQ(batch.offset, ++last);
        read.push_back(batch.body);
      }
    }
  };
  send(0, 10);
  read_until(6);
  ASSERT_TRUE(events.commit(43));
  proxy.cut_now();
  ASSERT_TRUE(events.commit(44));  // before the server is back
  send(10, 14);
  read_until(14);
  std::vector<std::string> expected;
  for (int i = 0; i < 14; ++i) expected.push_back("[" + std::to_string(i) + "]");
  EXPECT_EQ(read, expected);
  ASSERT_TRUE(events.commit(last));
  EXPECT_TRUE(eventually([&] {
    const auto queue = seen("umbel.events.c1");
    return queue && queue->ready + queue->unacked == 0;
  }));
  // Asked over another connection, which the cut may have hit as well.
  EXPECT_TRUE(eventually([&] {
    const auto figures = events.figures();
    return figures && figures->committed == last;
  }));
}

TEST_F(RabbitmqFaults, AStreamThatStoodAtItsBoundSaysThatBatchesMayBeMissing) {
  constexpr std::uint64_t kBound = 400'000;
  const auto bounded = [&] {
    const auto url = parse_amqp_url(server().url(vhost));
    RabbitmqBrokerOptions options;
    options.url = *url;
    options.max_event_bytes = kBound;
    return open_rabbitmq_broker(std::move(options), clock, Log::none());
  };
  const auto sender = open();
  const auto send = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(sender->publish_events(
          "[" + std::to_string(i) + ",\"" + std::string(1000, 'x') + "\"]", {}));
    }
  };
  const auto reader = bounded();
  // Until the batch of this number has come; what was said of missing ones.
  const auto read_to = [&](EventSubscription& events, int last, std::vector<PerhapsCut>& said) {
    int first = -1;
    const auto until = Steady::now() + kLong;
    while (Steady::now() < until) {
      const auto batches = events.next(100, std::chrono::milliseconds{100}, {});
      if (!batches) continue;
      for (const auto& batch : *batches) {
        const int number = std::stoi(batch.body.substr(1));
        if (first < 0) first = number;
        if (batch.perhaps_cut) said.push_back(*batch.perhaps_cut);
        EXPECT_TRUE(events.commit(batch.offset));
        if (number == last) return first;
      }
    }
    return -1;
  };
  auto events = reader->subscribe({.name = "c1", .after = {}});
  ASSERT_TRUE(events);
  std::vector<PerhapsCut> said;
  send(0, 10);
  EXPECT_EQ(read_to(**events, 9, said), 0);
  EXPECT_THAT(said, IsEmpty());

  events->reset();
  send(10, 210);  // half of what it holds
  events = reader->subscribe({.name = "c1", .after = 10});
  ASSERT_TRUE(events);
  EXPECT_EQ(read_to(**events, 209, said), 10);
  EXPECT_THAT(said, IsEmpty());

  events->reset();
  const auto gone_at = clock.wall();
  auto another = sender->subscribe({.name = "c2", .after = {}});
  ASSERT_TRUE(another);
  send(210, 1000);
  std::vector<PerhapsCut> of_another;
  EXPECT_EQ(read_to(**another, 999, of_another), 210);  // so all have come
  EXPECT_THAT(of_another, IsEmpty());
  events = reader->subscribe({.name = "c1", .after = 210});
  ASSERT_TRUE(events);
  EXPECT_GT(read_to(**events, 999, said), 210);
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said[0].from, std::nullopt);
  EXPECT_GT(said[0].to, gone_at);
  EXPECT_LT(said[0].to, clock.wall());
}

TEST_F(RabbitmqFaults, WhatIsKeptForASubscriberGoesOnlyWhenNobodyReadsThere) {
  const auto broker = open();
  const auto sender = open();
  auto reading = broker->subscribe({.name = "c1", .after = {}});
  ASSERT_TRUE(reading);
  const auto refused = sender->forget_subscriber("c1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Conflict);
  EXPECT_THAT(refused.error().what, HasSubstr("umbel.events.c1"));
  reading->reset();
  ASSERT_TRUE(sender->publish_events("[1]", {}));
  ASSERT_TRUE(sender->publish_events("[2]", {}));
  EXPECT_TRUE(eventually([&] { return seen("umbel.events.c1")->ready == 2; }));
  const auto gone = sender->forget_subscriber("c1");
  ASSERT_TRUE(gone) << gone.error().what;
  EXPECT_EQ(*gone, 2U);
  EXPECT_FALSE(seen("umbel.events.c1"));
  const auto again = sender->forget_subscriber("c1");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::NotFound);
  EXPECT_FALSE(seen("umbel.events.c1"));  // asking makes none
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

// One acknowledgement does for all that are done up to a message; those that stand behind one at
// work wait a moment for it, and no longer.
TEST_F(RabbitmqFaults, DoneMessagesWaitOnlyAMomentForOneBeforeThemThatIsAtWork) {
  const auto broker = open();
  const auto consumer = consume(*broker);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(publish(*broker, std::to_string(i)));
  const auto held = tags(take(*consumer, 20));
  ASSERT_EQ(held.size(), 20U);
  const auto unacked = [this] { return seen("q").value().unacked; };
  EXPECT_TRUE(consumer->ack(std::span{held}.subspan(1)).value().empty());
  EXPECT_TRUE(eventually([&] { return unacked() == 1; }));
  EXPECT_TRUE(consumer->ack(std::span{held}.first(1)).value().empty());
  EXPECT_TRUE(eventually([&] { return unacked() == 0; }));
}

TEST_F(RabbitmqFaults, WhatIsDoneWhenItsConsumerGoesDoesNotComeAgain) {
  const auto broker = open();
  auto consumer = consume(*broker);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(publish(*broker, std::to_string(i)));
  const auto held = tags(take(*consumer, 20));
  ASSERT_EQ(held.size(), 20U);
  EXPECT_TRUE(consumer->ack(std::span{held}.subspan(1)).value().empty());
  consumer.reset();
  EXPECT_TRUE(eventually([this] {
    const auto queue = seen("q").value();
    return queue.ready == 1 && queue.unacked == 0;
  }));
}

TEST_F(RabbitmqFaults, ADeletedQueueIsDeclaredAgainByWhoConsumesAndWhoPublishes) {
  const auto broker = open();
  const auto other = open();
  ASSERT_TRUE(publish(*broker, "1"));
  const auto consumer = consume(*broker);
  EXPECT_THAT(bodies(take(*consumer, 1)), ElementsAre("1"));
  server().eval("{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"" + vhost +
                "\">>, queue, <<\"q\">>)), rabbit_amqqueue:delete(Queue, false, false, "
                "<<\"t\">>).");
  EXPECT_TRUE(eventually([&] { return publish(*broker, "2").has_value(); }));
  EXPECT_THAT(bodies(take(*consumer, 1)), ElementsAre("2"));
}

TEST_F(RabbitmqFaults, AQueueThatIsNotToBeHadKeepsNoOtherFromItsConsumer) {
  const auto owner = open();
  ASSERT_TRUE(publish(*owner, "a1", "a"));
  ASSERT_TRUE(publish(*owner, "b1", "b"));
  server().add_user("modest", "modest");
  server().set_permissions("modest", vhost, "^$", ".*", ".*");
  auto url = server().url(vhost);
  url.replace(url.find("umbel:umbel@"), 12, "modest:modest@");
  const auto broker = open(url);
  auto made = broker->consume(
      {.queues = {QueueName{"a"}, QueueName{"b"}}, .prefetch = 9, .consumer = "tester"});
  ASSERT_TRUE(made) << made.error().what;
  auto& consumer = **made;
  const auto held = take(consumer, 2);
  ASSERT_EQ(held.size(), 2U);
  server().eval("{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"" + vhost +
                "\">>, queue, <<\"b\">>)), rabbit_amqqueue:delete(Queue, false, false, "
                "<<\"t\">>).");
  // It may not declare the queue again. What it holds stays held, and the other queue is served.
  ASSERT_TRUE(publish(*owner, "a2", "a"));
  EXPECT_THAT(bodies(take(consumer, 1)), ElementsAre("a2"));
  EXPECT_THAT(*consumer.ack(tags(held)), IsEmpty());
  // The same after a new connection.
  server().close_connections();
  const auto again = take(consumer, 1);
  ASSERT_THAT(bodies(again), ElementsAre("a2"));
  // And when it is there again it is found.
  EXPECT_TRUE(eventually([&] { return publish(*owner, "b2", "b").has_value(); }));
  EXPECT_THAT(bodies(take(consumer, 1)), ElementsAre("b2"));
  const auto refused = broker->consume(
      {.queues = {QueueName{"a"}, QueueName{"nowhere"}}, .prefetch = 9, .consumer = "other"});
  EXPECT_FALSE(refused);
}

TEST_F(RabbitmqFaults, FiguresAreOfQueuesThatAreThereAlsoThoseOfOthers) {
  const auto maker = open();
  ASSERT_TRUE(publish(*maker, "1", "theirs"));
  const auto watcher = open();
  EXPECT_THAT(*watcher->queues({}), IsEmpty());
  const std::vector<QueueName> named{QueueName{"theirs"}, QueueName{"nobodys"}};
  for (int i = 0; i < 3; ++i) {
    const auto queues = watcher->queues(named);
    ASSERT_TRUE(queues);
    ASSERT_EQ(queues->size(), 1U);
    EXPECT_EQ(queues->front().name, QueueName{"theirs"});
    EXPECT_EQ(queues->front().ready, 1U);
  }
  EXPECT_FALSE(seen("nobodys"));  // asking makes none
  ASSERT_TRUE(publish(*watcher, "2", "nobodys"));
  EXPECT_EQ(watcher->queues(named)->size(), 2U);
}

TEST_F(RabbitmqFaults, TheManagementApiAddsWhatAmqpDoesNotTell) {
  const auto maker = open();
  ASSERT_TRUE(publish(*maker, "1"));
  ASSERT_TRUE(publish(*maker, "2", "other"));
  const auto consumer = consume(*maker, 1);
  ASSERT_EQ(take(*consumer, 1).size(), 1U);
  auto address = server().management_address();
  const auto broker = open(server().url(vhost) + "?management=" + address);
  const auto find = [&](const std::string& name) -> std::optional<QueueFigures> {
    const auto all = broker->queues();
    if (!all) return std::nullopt;
    for (const auto& each : *all) {
      if (each.name.str() == name) return each;
    }
    return std::nullopt;
  };
  EXPECT_TRUE(eventually(
      [&] {
        const auto q = find("q");
        const auto other = find("other");
        return q && other && q->unacked == 1U && q->published_total == 1U && other->ready == 1U;
      },
      kBack));
}

TEST_F(RabbitmqFaults, AManagementApiThatDoesNotAnswerLeavesItsFiguresUnknown) {
  Lines lines;
  const auto broker =
      open(server().url(vhost) + "?management=http://u:sesame@127.0.0.1:1", lines.log());
  ASSERT_TRUE(publish(*broker, "1"));
  for (int i = 0; i < 3; ++i) {
    const auto queues = broker->queues();
    ASSERT_TRUE(queues);
    ASSERT_EQ(queues->size(), 1U);
    EXPECT_EQ(queues->front().ready, 1U);
    EXPECT_EQ(queues->front().unacked, std::nullopt);
  }
  EXPECT_EQ(lines.with("management"), 1U);
  EXPECT_EQ(lines.with("sesame"), 0U);
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
