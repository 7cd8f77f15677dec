// What RabbitMQ itself makes of queues, messages, event streams and figures: where it is
// particular, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

using RabbitmqParticulars = RabbitmqStand;

TEST_F(RabbitmqParticulars, AQueueWithOtherArgumentsIsTakenAsItIs) {
  const auto ranked = open(server().url(vhost) + "?max_priority=5");
  ASSERT_TRUE(publish(*ranked, "1"));
  const auto plain = open();
  ASSERT_TRUE(publish(*plain, "2"));
  const auto quorum = open(server().url(vhost) + "?queue_type=quorum");
  ASSERT_TRUE(publish(*quorum, "3"));
  EXPECT_EQ(seen("q")->type, "classic");
  EXPECT_THAT(bodies(take(*consume(*plain), 3)), ElementsAre("1", "2", "3"));
}

TEST_F(RabbitmqParticulars, QuorumQueuesDoAllThatOthersDo) {
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

TEST_F(RabbitmqParticulars, APrefetchThatIsRaisedOftenHoldsNoMoreThanTwiceAsMuch) {
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

TEST_F(RabbitmqParticulars, ADelayedMessageWaitsOnTheServerAndComesAtItsTime) {
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

TEST_F(RabbitmqParticulars, AMessageThatTheServerNeverTakesIsRefusedForGood) {
  const auto broker = open();
  const auto refused = publish(*broker, std::string(18'000'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_THAT(refused.error().what, HasSubstr("PRECONDITION_FAILED"));
  EXPECT_TRUE(eventually([&] { return publish(*broker, "small").has_value(); }));
}

TEST_F(RabbitmqParticulars, HeadersThatFitNoFrameAreRefusedForGoodAndDisturbNobody) {
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

TEST_F(RabbitmqParticulars, ADelayBeyondTheLevelsIsRefused) {
  const auto broker = open();
  auto late = a_message("x");
  late.not_before = clock.wall() + std::chrono::hours{24 * 366 * 9};
  const auto refused = broker->publish({&late, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

TEST_F(RabbitmqParticulars, EventsHandedOutAreNotHandedOutTwiceOverACut) {
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

TEST_F(RabbitmqParticulars, AStreamThatStoodAtItsBoundSaysThatBatchesMayBeMissing) {
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

TEST_F(RabbitmqParticulars, WhatIsKeptForASubscriberGoesOnlyWhenNobodyReadsThere) {
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

// One acknowledgement does for all that are done up to a message; those that stand behind one at
// work wait a moment for it, and no longer.
TEST_F(RabbitmqParticulars, DoneMessagesWaitOnlyAMomentForOneBeforeThemThatIsAtWork) {
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

TEST_F(RabbitmqParticulars, WhatIsDoneWhenItsConsumerGoesDoesNotComeAgain) {
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

TEST_F(RabbitmqParticulars, ADeletedQueueIsDeclaredAgainByWhoConsumesAndWhoPublishes) {
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

TEST_F(RabbitmqParticulars, AQueueThatIsNotToBeHadKeepsNoOtherFromItsConsumer) {
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

TEST_F(RabbitmqParticulars, FiguresAreOfQueuesThatAreThereAlsoThoseOfOthers) {
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

TEST_F(RabbitmqParticulars, TheManagementApiAddsWhatAmqpDoesNotTell) {
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

TEST_F(RabbitmqParticulars, AManagementApiThatDoesNotAnswerLeavesItsFiguresUnknown) {
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

}  // namespace
}  // namespace umbel
