#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <set>
#include <stdexcept>

#include "broker_peer.hpp"
#include "broker_under_test.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Long enough for a slow machine's renewals, short enough that a test need not wait long.
constexpr std::chrono::milliseconds kShortLease{1000};

class BrokerProcesses : public BrokerConformance {
 protected:
  [[nodiscard]] BrokerSetup short_lease() const {
    auto with = setup();
    with.lease = kShortLease;
    return with;
  }
  // Knows the queue from the beginning, as a broker must whose figures are asked.
  [[nodiscard]] std::unique_ptr<Broker> open_with_queue(const BrokerSetup& with) const {
    auto broker = open(with);
    const std::vector<QueueName> queue{QueueName{"q"}};
    if (!broker->declare(queue)) throw std::runtime_error{"declare"};
    return broker;
  }
  [[nodiscard]] std::unique_ptr<Peer> start(const std::string& role, std::size_t count) const {
    return std::make_unique<Peer>(GetParam().name, short_lease(), role, count);
  }
  // The bodies of all lines that begin with `word`.
  static void collect(const Peer& peer, const std::string& word, std::set<std::string>& into) {
    for (const auto& line : peer.lines()) {
      if (line.starts_with(word + " ")) into.insert(line.substr(word.size() + 1));
    }
  }
};
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerProcesses);

TEST_P(BrokerProcesses, WhatAKilledProcessHeldIsDeliveredToAnotherWithin10s) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2"), a_message("3")});
  const auto peer = start("hold", 2);
  ASSERT_TRUE(eventually([&] { return peer->said("holding"); }));
  const auto consumer = consume(*broker);
  EXPECT_THAT(bodies(take_all(*consumer, 1)), ElementsAre("3"));
  EXPECT_TRUE(eventually([&] { return figures(*broker).consumers == 2U; }));

  peer->kill();
  const auto begin = Steady::now();
  const auto taken = take_all(*consumer, 2);
  EXPECT_LT(Steady::now() - begin, std::chrono::seconds{10});
  EXPECT_THAT(bodies(taken), ElementsAre("1", "2"));
  for (const auto& delivery : taken) EXPECT_TRUE(delivery.redelivered);
  EXPECT_THAT(ack(*consumer, taken), IsEmpty());
  EXPECT_TRUE(eventually([&] { return figures(*broker).consumers == 1U; }));
}

TEST_P(BrokerProcesses, ALateAckOfAFrozenProcessIsAnsweredAndChangesNothing) {
  const auto broker = open();
  publish(*broker, {a_message("1"), a_message("2")});
  const auto peer = start("hold", 2);
  ASSERT_TRUE(eventually([&] { return peer->said("holding"); }));
  peer->send(SIGSTOP);
  auto consumer = consume(*broker, 2);
  const auto taken = take_all(*consumer, 2);
  ASSERT_THAT(bodies(taken), ElementsAre("1", "2"));

  peer->send(SIGCONT);
  peer->tell("ack");
  ASSERT_TRUE(eventually([&] { return peer->said("lost 2"); }));
  if (traits().knows_totals) {
    EXPECT_EQ(figures(*broker).acked_total, 0U);
  }
  EXPECT_EQ(consumer->unacked(), 2U);
  EXPECT_THAT(ack(*consumer, {taken[0]}), IsEmpty());

  // It goes on consuming. The other one goes: a server that pushes might give it back to him.
  consumer.reset();
  ASSERT_TRUE(eventually([&] { return peer->said("took 2"); }));
  EXPECT_EQ(peer->wait_exit(), 0);
  if (traits().knows_totals) {
    EXPECT_EQ(figures(*broker).acked_total, 2U);
  }
  EXPECT_EQ(figures(*broker).ready, 0U);
}

TEST_P(BrokerProcesses, WhatWasPublishedSurvivesKill9) {
  const auto broker = open_with_queue(setup());
  const auto peer = start("publish", 1'000'000);
  ASSERT_TRUE(eventually([&] { return peer->lines().size() >= 200; }));
  peer->kill();
  std::set<std::string> sent;
  collect(*peer, "sent", sent);

  EXPECT_TRUE(eventually([&] { return figures(*broker).ready >= sent.size(); }));
  const auto ready = figures(*broker).ready;
  EXPECT_LE(ready - sent.size(), 1U);  // killed between the commit and the word
  const auto consumer = consume(*broker, 60'000);
  for (const auto& body : bodies(take_all(*consumer, ready))) sent.erase(body);
  EXPECT_THAT(sent, IsEmpty());
}

TEST_P(BrokerProcesses, NothingIsLostWhileWorkersAreKilledAtRandom) {
  constexpr std::size_t kPublishers = 2;
  constexpr std::size_t kEach = 400;
  constexpr int kKills = 6;
  const auto broker = open_with_queue(short_lease());
  std::vector<std::unique_ptr<Peer>> publishers;
  for (std::size_t i = 0; i < kPublishers; ++i) publishers.push_back(start("publish", kEach));

  std::mt19937 random{7};
  std::vector<std::unique_ptr<Peer>> workers;
  std::vector<std::unique_ptr<Peer>> dead;
  for (int i = 0; i < 2; ++i) workers.push_back(start("work", 8));
  for (int i = 0; i < kKills; ++i) {
    auto& victim = workers[static_cast<std::size_t>(i) % workers.size()];
    // At a random point of its work; at once if all the work is done.
    const auto lines = std::uniform_int_distribution<std::size_t>{1, 60}(random);
    eventually([&] { return victim->lines().size() >= lines; }, std::chrono::milliseconds{500});
    victim->kill();
    dead.push_back(std::exchange(victim, start("work", 8)));
  }

  std::set<std::string> sent;
  for (auto& publisher : publishers) {
    EXPECT_EQ(publisher->wait_exit(), 0);
    collect(*publisher, "sent", sent);
  }
  EXPECT_EQ(sent.size(), kPublishers * kEach);
  // What a worker was given it says before it acknowledges, and some of it comes again.
  EXPECT_TRUE(eventually(
      [&] {
        std::set<std::string> got;
        for (const auto* group : {&workers, &dead}) {
          for (const auto& worker : *group) collect(*worker, "got", got);
        }
        return std::ranges::includes(got, sent) && figures(*broker).ready == 0;
      },
      std::chrono::seconds{30}));
  if (traits().knows_totals) {
    EXPECT_TRUE(eventually([&] { return figures(*broker).acked_total == kPublishers * kEach; },
                           std::chrono::seconds{30}));
    EXPECT_EQ(figures(*broker).published_total, kPublishers * kEach);
  }
  for (auto& worker : workers) EXPECT_EQ(worker->wait_exit(), 0);
  EXPECT_EQ(figures(*broker).ready, 0U);
}

}  // namespace
}  // namespace umbel::testing
