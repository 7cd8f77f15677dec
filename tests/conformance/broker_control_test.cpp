// Remote control: requests to every node, replies to one asker.
#include <gmock/gmock.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "broker_peer.hpp"
#include "broker_under_test.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BrokerControl : public BrokerConformance {
 protected:
  [[nodiscard]] std::unique_ptr<Peer> start_node() const {
    auto with = setup();
    with.lease = std::chrono::milliseconds{1000};
    auto peer = std::make_unique<Peer>(GetParam().name, with, "node", 0);
    if (!eventually([&] { return peer->said("listening"); })) {
      throw std::runtime_error{"a node did not come up"};
    }
    return peer;
  }
  static std::unique_ptr<ReplyBox> open_box(Broker& broker) {
    auto box = broker.reply_box();
    if (!box) throw std::runtime_error{box.error().what};
    return std::move(*box);
  }
  static void broadcast(Broker& broker, const Message& request) {
    if (const auto sent = broker.broadcast(request); !sent) {
      throw std::runtime_error{sent.error().what};
    }
  }
  static void reply(Broker& broker, const ReplyAddress& to, const std::string& body) {
    if (const auto sent = broker.reply(to, a_control(body)); !sent) {
      throw std::runtime_error{sent.error().what};
    }
  }
  // Waits until there are `count` bodies; fewer when it took too long.
  template <class Box>
  static std::vector<std::string> read(Box& box, std::size_t count,
                                       std::chrono::milliseconds limit = kLong) {
    std::vector<std::string> bodies;
    while (bodies.size() < count) {
      const auto some = box.next(count - bodies.size(), limit, {});
      if (!some) throw std::runtime_error{some.error().what};
      if (some->empty()) break;
      for (const auto& message : *some) bodies.push_back(message.body);
    }
    return bodies;
  }
};
UMBEL_INSTANTIATE_BROKER_SUITE(BrokerControl);

TEST_P(BrokerControl, ABroadcastReachesEveryInboxInEveryProcess) {
  const auto broker = open();
  const auto other = open();
  const auto mine = open_inbox(*broker, "mine@here");
  const auto others = open_inbox(*other, "other@here");
  const auto first = start_node();
  const auto second = start_node();
  broadcast(*broker, a_control("ping"));
  broadcast(*other, a_control("stats"));
  EXPECT_THAT(read(*mine, 2), ElementsAre("ping", "stats"));
  EXPECT_THAT(read(*others, 2), ElementsAre("ping", "stats"));
  for (const auto* peer : {first.get(), second.get()}) {
    EXPECT_TRUE(eventually([&] { return peer->said("heard ping") && peer->said("heard stats"); }));
  }
  EXPECT_THAT(read(*mine, 1, quiet()), IsEmpty()) << "each comes once";
}

TEST_P(BrokerControl, CarriesEveryField) {
  const auto broker = open();
  const auto inbox = open_inbox(*broker, "mine@here");
  auto sent = a_control(std::string{"\0\xff any bytes\n", 13}, {"an exchange", "a key"});
  sent.correlation_id = "c-1";
  sent.reply_to = "somewhere";
  broadcast(*broker, sent);
  const auto got = inbox->next(1, kLong, {});
  ASSERT_TRUE(got && got->size() == 1);
  const auto& message = got->front();
  EXPECT_EQ(message.body, sent.body);
  EXPECT_EQ(message.content_type, sent.content_type);
  EXPECT_EQ(message.content_encoding, sent.content_encoding);
  EXPECT_EQ(message.correlation_id, sent.correlation_id);
  EXPECT_EQ(message.reply_to, sent.reply_to);
  EXPECT_EQ(reply_address(message), reply_address(sent));
}

TEST_P(BrokerControl, AnInboxHearsOnlyWhatCameSinceItWasOpened) {
  const auto broker = open();
  broadcast(*broker, a_control("nobody hears this"));
  const auto inbox = open_inbox(*broker, "mine@here");
  EXPECT_THAT(read(*inbox, 1, quiet()), IsEmpty());
  broadcast(*broker, a_control("heard"));
  EXPECT_THAT(read(*inbox, 1), ElementsAre("heard"));
}

TEST_P(BrokerControl, AnInboxNeedsAName) {
  const auto broker = open();
  const auto refused = broker->control_inbox("");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

TEST_P(BrokerControl, NodesInOtherProcessesReplyToWhoAsked) {
  const auto broker = open();
  const auto first = start_node();
  const auto second = start_node();
  const auto asker = open_box(*broker);
  const auto bystander = open_box(*broker);
  EXPECT_NE(asker->address(), bystander->address());
  EXPECT_EQ(asker->address(), asker->address());
  broadcast(*broker, a_control("ping", asker->address()));
  auto replies = read(*asker, 2);
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_NE(replies[0], replies[1]) << "one of each";
  for (const auto& reply : replies) EXPECT_TRUE(reply.ends_with(" ping")) << reply;
  EXPECT_THAT(read(*bystander, 1, quiet()), IsEmpty());
  EXPECT_THAT(read(*asker, 1, quiet()), IsEmpty());
}

TEST_P(BrokerControl, ABoxReadsWhatAnotherProcessSends) {
  const auto here = open();
  const auto there = open();
  const auto box = open_box(*here);
  const auto address = box->address();
  std::vector<std::string> got;
  std::jthread waiting{[&] { got = read(*box, 1); }};
  reply(*there, address, "from there");
  waiting.join();
  EXPECT_THAT(got, ElementsAre("from there"));
}

TEST_P(BrokerControl, AReplyToNobodyIsDropped) {
  const auto broker = open();
  ReplyAddress closed;
  {
    const auto box = open_box(*broker);
    closed = box->address();
  }
  EXPECT_TRUE(broker->reply(closed, a_control("too late")));
  EXPECT_TRUE(broker->reply({closed.exchange, "never there"}, a_control("to whom")));
  EXPECT_TRUE(broker->reply({"", "no such queue"}, a_control("to whom")));
  EXPECT_TRUE(broker->ping());
  const auto box = open_box(*broker);
  reply(*broker, box->address(), "heard");
  EXPECT_THAT(read(*box, 1), ElementsAre("heard")) << "and the broker goes on";
}

TEST_P(BrokerControl, ManyRepliesComeInTheirOrder) {
  const auto broker = open();
  const auto one = open_box(*broker);
  const auto other = open_box(*broker);
  std::vector<OutgoingReply> replies;
  for (const char* body : {"1", "2", "3"}) {
    replies.push_back({one->address(), a_control(body)});
    replies.push_back({other->address(), a_control(std::string{"other "} + body)});
    replies.push_back({{"no such exchange", "x"}, a_control("nobody's")});
    replies.push_back({{"", "no such queue"}, a_control("nobody's")});
  }
  ASSERT_TRUE(broker->reply_all(replies));
  EXPECT_THAT(read(*one, 3), ElementsAre("1", "2", "3"));
  EXPECT_THAT(read(*other, 3), ElementsAre("other 1", "other 2", "other 3"));
  EXPECT_TRUE(broker->reply_all({}));
}

TEST_P(BrokerControl, AReplyWithoutAnExchangeGoesToTheQueueOfThatName) {
  const auto broker = open();
  const std::vector<QueueName> names{QueueName{"results-of-one-caller"}};
  ASSERT_TRUE(broker->declare(names));
  auto result = a_control("the result");
  result.correlation_id = "task-1";
  ASSERT_TRUE(broker->reply({"", "results-of-one-caller"}, result));
  const auto consumer = consume(*broker, 10, {"results-of-one-caller"});
  const auto taken = take_all(*consumer, 1);
  ASSERT_THAT(bodies(taken), ElementsAre("the result"));
  EXPECT_EQ(taken[0].message.correlation_id, "task-1");
}

TEST_P(BrokerControl, AnInboxKeepsTheNewestOfWhatNobodyReads) {
  constexpr std::size_t kMore = 50;
  const auto broker = open();
  const auto lazy = open_inbox(*broker, "lazy@here");
  for (std::size_t i = 0; i < kControlBound + kMore; ++i) {
    broadcast(*broker, a_control(std::to_string(i)));
  }
  const auto newest = std::to_string(kControlBound + kMore - 1);
  std::vector<std::string> kept;
  while (kept.empty() || kept.back() != newest) {
    const auto some = read(*lazy, 1);
    ASSERT_FALSE(some.empty()) << "the newest is lost, after " << kept.size();
    kept.push_back(some.front());
  }
  EXPECT_GE(kept.size(), kControlBound);
  if (!traits().pushes) {  // where it does, what is read makes room for what is on its way
    EXPECT_EQ(kept.size(), kControlBound);
    EXPECT_EQ(kept.front(), std::to_string(kMore));
  }
  EXPECT_THAT(read(*lazy, 1, quiet()), IsEmpty());
}

TEST_P(BrokerControl, WaitsEndAtTheirLimitAndAtAStop) {
  const auto broker = open();
  const auto inbox = open_inbox(*broker, "mine@here");
  const auto box = open_box(*broker);
  const auto begin = Steady::now();
  EXPECT_THAT(read(*inbox, 1, std::chrono::milliseconds{60}), IsEmpty());
  EXPECT_THAT(read(*box, 1, std::chrono::milliseconds{60}), IsEmpty());
  EXPECT_GE(Steady::now() - begin, std::chrono::milliseconds{120});
  std::jthread of_inbox{[&](const std::stop_token& stop) {
    const auto got = inbox->next(1, std::chrono::hours{1}, stop);
    EXPECT_TRUE(got && got->empty());
  }};
  std::jthread of_box{[&](const std::stop_token& stop) {
    const auto got = box->next(1, std::chrono::hours{1}, stop);
    EXPECT_TRUE(got && got->empty());
  }};
  of_inbox.request_stop();
  of_box.request_stop();
  of_inbox.join();
  of_box.join();
  EXPECT_LT(Steady::now() - begin, kLong);
}

TEST_P(BrokerControl, ANodeMayComeBackUnderItsNameAfterAKill) {
  const auto broker = open();
  const auto box = open_box(*broker);
  {
    const auto peer = start_node();
    broadcast(*broker, a_control("one", box->address()));
    EXPECT_EQ(read(*box, 1).size(), 1U);
    peer->kill();
  }
  broadcast(*broker, a_control("nobody is there", box->address()));
  const auto again = start_node();
  broadcast(*broker, a_control("two", box->address()));
  const auto replies = read(*box, 1);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_TRUE(replies[0].ends_with(" two")) << replies[0];
  EXPECT_FALSE(again->said("heard nobody is there"));
}

TEST_P(BrokerControl, AnInboxAndABoxMayOutliveTheBrokerThatMadeThem) {
  auto broker = open();
  const auto inbox = open_inbox(*broker, "mine@here");
  const auto box = open_box(*broker);
  const auto other = open();
  broker.reset();
  broadcast(*other, a_control("1"));
  reply(*other, box->address(), "2");
  EXPECT_THAT(read(*inbox, 1), ElementsAre("1"));
  EXPECT_THAT(read(*box, 1), ElementsAre("2"));
}

TEST_P(BrokerControl, ManyAskersGetTheirOwnReplies) {
  const auto broker = open();
  const auto node = start_node();
  std::vector<std::jthread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&, i] {
      const auto mine = open();
      const auto box = open_box(*mine);
      const auto word = "asked by " + std::to_string(i);
      for (int round = 0; round < 5; ++round) {
        broadcast(*mine, a_control(word, box->address()));
        const auto got = read(*box, 1);
        ASSERT_EQ(got.size(), 1U);
        EXPECT_TRUE(got[0].ends_with(word)) << got[0];
      }
    });
  }
}

}  // namespace
}  // namespace umbel::testing
