// What only this engine has: its file, its leases, its sockets. The port's promises are tested for
// every engine in tests/conformance/.
#include "umbel/broker_sqlite/sqlite_broker.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "umbel/testing/eventually.hpp"
#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using ::testing::ElementsAre;
using testing::eventually;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;

constexpr std::chrono::milliseconds kLease{
    200};  // of the fake clock; housekeeping every 50 real ms

template <class T>
T expect(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().what};
  return std::move(*result);
}

class SqliteBroker : public ::testing::Test {
 protected:
  std::unique_ptr<Broker> open(const Clock& with, std::size_t max_event_bytes = 1'000'000) {
    return expect(open_sqlite_broker(
        {.path = path, .lease = kLease, .max_event_bytes = max_event_bytes}, with, Log::none()));
  }
  static void publish(Broker& broker, const std::string& body,
                      std::optional<WallTime> not_before = std::nullopt) {
    OutgoingMessage outgoing;
    outgoing.queue = QueueName{"q"};
    outgoing.message.body = body;
    outgoing.not_before = not_before;
    const auto done = broker.publish({&outgoing, 1});
    if (!done) throw std::runtime_error{done.error().what};
  }
  static std::unique_ptr<Consumer> consume(Broker& broker) {
    return expect(broker.consume({.queues = {QueueName{"q"}}, .prefetch = 10, .consumer = "c"}));
  }
  static std::vector<std::string> take(Consumer& consumer, std::vector<DeliveryTag>* tags = nullptr,
                                       std::chrono::milliseconds limit = {}) {
    std::vector<std::string> bodies;
    for (const auto& delivery : expect(consumer.next(10, limit, {}))) {
      bodies.push_back(delivery.message.body);
      if (tags != nullptr) tags->push_back(delivery.tag);
    }
    return bodies;
  }
  static QueueFigures figures(Broker& broker) { return expect(broker.queues()).at(0); }
  [[nodiscard]] std::size_t sockets() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator{path + ".wake"}, {}));
  }

  TempDir dir;
  std::string path = dir.file("var/broker.db");
  FakeClock clock;
};

TEST_F(SqliteBroker, AConsumerThatStoodStillLosesItsTagsAndBeginsAnew) {
  FakeClock frozen_clock;  // nobody advances it: its process does not notice that time goes on
  const auto frozen = open(frozen_clock);
  const auto lively = open(clock);
  const auto sleeper = consume(*frozen);
  publish(*lively, "1");
  std::vector<DeliveryTag> old;
  ASSERT_THAT(take(*sleeper, &old), ElementsAre("1"));

  clock.advance(2 * kLease);
  const auto other = consume(*lively);
  std::vector<DeliveryTag> mine;
  ASSERT_TRUE(eventually([&] { return !take(*other, &mine).empty(); }));
  EXPECT_THAT(expect(sleeper->ack(old)), ElementsAre(old[0]));
  EXPECT_EQ(figures(*lively).acked_total, 0U);
  EXPECT_EQ(sleeper->unacked(), 0U);
  EXPECT_THAT(expect(other->ack(mine)), IsEmpty());

  frozen_clock.advance(2 * kLease);  // thawed
  publish(*frozen, "2");
  old.clear();
  EXPECT_THAT(take(*sleeper, &old, std::chrono::seconds{10}), ElementsAre("2"));
  EXPECT_THAT(expect(sleeper->ack(old)), IsEmpty());
}

TEST_F(SqliteBroker, RenewsItsLeasesAsTimeGoesBy) {
  const auto broker = open(clock);
  const auto watcher = open(clock);
  const auto consumer = consume(*broker);
  publish(*broker, "1");
  std::vector<DeliveryTag> tags;
  ASSERT_THAT(take(*consumer, &tags), ElementsAre("1"));
  SQLite::Database file{path};
  const auto expires = [&file] {
    return file.execAndGet("SELECT expires FROM consumer").getInt64();
  };
  for (int i = 0; i < 10; ++i) {
    const auto before = expires();
    clock.advance(kLease / 4);
    ASSERT_TRUE(eventually([&] { return expires() > before; }));
  }
  EXPECT_THAT(expect(consumer->ack(tags)), IsEmpty());
}

TEST_F(SqliteBroker, LeasesOfAnEarlierBootAreOver) {
  {
    const auto broker = open(clock);
    publish(*broker, "1");
    SQLite::Database file{path, SQLite::OPEN_READWRITE};
    file.exec(
        "INSERT INTO consumer (id, name, wake, boot, expires) "
        "VALUES (77, 'old', '', 'another boot', 9000000000000000000);"
        "INSERT INTO consumer_queue (queue, consumer) VALUES (1, 77);"
        "INSERT INTO held (consumer, message, queue, rank, position, since) "
        "SELECT 77, message, queue, rank, position, since FROM ready;"
        "DELETE FROM ready; UPDATE queue SET ready = 0, held = 1");
  }
  const auto broker = open(clock);
  const auto consumer = consume(*broker);
  const auto taken = expect(consumer->next(1, std::chrono::seconds{10}, {}));
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_TRUE(taken[0].redelivered);
  EXPECT_EQ(figures(*broker).consumers, 1U);
}

TEST_F(SqliteBroker, DelayedMessagesJoinTheLineWhenTheyAreDue) {
  const auto broker = open(clock);
  const auto start = clock.wall();
  publish(*broker, "in 2 s", start + std::chrono::seconds{2});
  publish(*broker, "in 1 s", start + std::chrono::seconds{1});
  const auto consumer = consume(*broker);
  EXPECT_THAT(take(*consumer), IsEmpty());
  clock.advance(std::chrono::microseconds{999'999});
  EXPECT_THAT(take(*consumer), IsEmpty());
  EXPECT_EQ(figures(*broker).delayed, 2U);

  clock.advance(std::chrono::microseconds{1});
  EXPECT_EQ(figures(*broker).ready, 1U);  // though no consumer has moved it yet
  EXPECT_EQ(figures(*broker).delayed, 1U);
  EXPECT_EQ(figures(*broker).oldest_ready, start + std::chrono::seconds{1});
  clock.advance(std::chrono::seconds{5});
  publish(*broker, "last");
  EXPECT_EQ(figures(*broker).ready, 3U);
  EXPECT_EQ(take(*consumer).size(), 3U);
  EXPECT_EQ(figures(*broker).delayed, 0U);
}

TEST_F(SqliteBroker, KeepsItsPromisesWhenTheWallClockIsSetBack) {
  const auto broker = open(clock);
  publish(*broker, "1");
  clock.set_wall(clock.wall() - std::chrono::hours{1});
  publish(*broker, "2");
  const auto consumer = consume(*broker);
  EXPECT_THAT(take(*consumer), ElementsAre("1", "2"));
  EXPECT_EQ(figures(*broker).consumers, 1U);
}

TEST_F(SqliteBroker, TrimsEventsThatAllSubscribersAreDoneWith) {
  const auto broker = open(clock);
  const auto one = expect(broker->subscribe({.name = "one", .after = std::nullopt}));
  const auto two = expect(broker->subscribe({.name = "two", .after = std::nullopt}));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(broker->publish_events("[]", {}));
  const auto last = expect(one->next(10, {}, {})).back().offset;
  ASSERT_TRUE(one->commit(last));
  SQLite::Database file{path};
  const auto left = [&file] { return file.execAndGet("SELECT count(*) FROM event").getInt(); };
  EXPECT_EQ(left(), 3);
  EXPECT_EQ(expect(two->next(10, {}, {})).size(), 3U);
  ASSERT_TRUE(two->commit(last - 1));
  EXPECT_TRUE(eventually([&] { return left() == 1; }));
  ASSERT_TRUE(two->commit(last));
  EXPECT_TRUE(eventually([&] { return left() == 0; }));
  EXPECT_EQ(file.execAndGet("SELECT bytes FROM event_stream").getInt(), 0);
  ASSERT_TRUE(broker->publish_events("[]", {}));
  EXPECT_EQ(expect(two->next(1, {}, {})).at(0).offset, last + 1);
  // Who comes now begins here, without a hole before it.
  EXPECT_EQ(expect(expect(broker->subscribe({.name = "new", .after = std::nullopt}))->figures())
                .committed,
            last);
}

TEST_F(SqliteBroker, ASubscriberAheadOfTheStreamReadsItFromItsBeginning) {
  const auto broker = open(clock);
  ASSERT_TRUE(broker->publish_events("[1]", {}));
  const auto subscription = expect(broker->subscribe({.name = "c", .after = 500}));
  const auto batches = expect(subscription->next(10, {}, {}));
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].offset, 1U);
}

TEST_F(SqliteBroker, LeavesNoSocketsBehindAndSweepsThoseOfTheDead) {
  {
    const auto broker = open(clock);
    auto consumer = consume(*broker);
    auto subscription = expect(broker->subscribe({.name = "c", .after = std::nullopt}));
    EXPECT_EQ(sockets(), 2U);
    consumer.reset();
    subscription.reset();
    EXPECT_EQ(sockets(), 0U);
  }
  const std::string name = path + ".wake/left-over";
  // A socket whose process is gone: bound, then closed without unlinking.
  const auto fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  name.copy(static_cast<char*>(address.sun_path), name.size());
  ASSERT_EQ(bind(fd, std::bit_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  EXPECT_EQ(sockets(), 1U);
  const auto broker = open(clock);
  EXPECT_EQ(sockets(), 0U);
}

TEST_F(SqliteBroker, WorksInAFolderWhosePathIsLongerThanASocketMayHave) {
  path = dir.file(std::string(120, 'x') + "/" + std::string(120, 'y') + "/broker.db");
  const auto broker = open(clock);
  const auto consumer = consume(*broker);
  EXPECT_EQ(sockets(), 1U);
  std::vector<std::string> taken;
  std::jthread waiting{[&] { taken = take(*consumer, nullptr, std::chrono::seconds{20}); }};
  publish(*broker, "1");
  waiting.join();
  EXPECT_THAT(taken, ElementsAre("1"));
}

TEST_F(SqliteBroker, WorksWithoutItsSockets) {
  std::filesystem::create_directories(dir.file("var"));
  std::ofstream{path + ".wake"} << "in the way";
  const auto broker = open(clock);
  const auto consumer = consume(*broker);
  std::vector<std::string> taken;
  std::jthread waiting{[&] { taken = take(*consumer, nullptr, std::chrono::seconds{20}); }};
  publish(*broker, "1");
  waiting.join();
  EXPECT_THAT(taken, ElementsAre("1"));
}

TEST_F(SqliteBroker, NamesTheFileThatItCannotOpen) {
  std::filesystem::create_directories(dir.file("var"));
  std::ofstream{path} << std::string(5000, 'x');
  const auto refused = open_sqlite_broker({.path = path}, clock, Log::none());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Corrupt);
  EXPECT_THAT(refused.error().what, HasSubstr(path));
  EXPECT_FALSE(open_sqlite_broker({.path = ""}, clock, Log::none()));
  EXPECT_FALSE(open_sqlite_broker({.path = path, .lease = std::chrono::milliseconds{1}}, clock,
                                  Log::none()));
}

TEST_F(SqliteBroker, AClockSetForwardCostsNoLeaseAndDeliversWhatIsDue) {
  const auto workers = open(clock);
  const auto others = open(clock);
  const OutgoingMessage now{.queue = QueueName{"q"}, .message = {}, .not_before = {}};
  ASSERT_TRUE(workers->publish({&now, 1}));
  const auto consumer =
      workers->consume({.queues = {QueueName{"q"}}, .prefetch = 1, .consumer = "w"}).value();
  const auto taken = consumer->next(1, std::chrono::seconds{5}, {}).value();
  ASSERT_EQ(taken.size(), 1U);
  const OutgoingMessage later{.queue = QueueName{"later"},
                              .message = {},
                              .not_before = clock.wall() + std::chrono::minutes{30}};
  ASSERT_TRUE(workers->publish({&later, 1}));

  clock.set_wall(clock.wall() + std::chrono::hours{1});

  const auto other =
      others
          ->consume(
              {.queues = {QueueName{"q"}, QueueName{"later"}}, .prefetch = 2, .consumer = "x"})
          .value();
  const auto due = other->next(2, std::chrono::seconds{5}, {}).value();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due.front().queue, QueueName{"later"});
  EXPECT_TRUE(consumer->ack({&taken.front().tag, 1}).value().empty());
}

TEST_F(SqliteBroker, APingSaysThatTheFileIsGone) {
  const auto broker = open(clock);
  EXPECT_TRUE(broker->ping());
  std::filesystem::remove(path);
  const auto gone = broker->ping();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::Unavailable);
  EXPECT_THAT(gone.error().what, HasSubstr(path));
}

TEST_F(SqliteBroker, SweepsTheMailboxesOfAProcessThatWentSilent) {
  const auto rows = [this](const std::string& table) {
    SQLite::Database look{path};
    return look.execAndGet("SELECT count(*) FROM " + table).getInt();
  };
  const auto mail = [](const std::string& body) {
    Message message;
    message.body = body;
    return message;
  };
  FakeClock frozen_clock;
  const auto frozen = open(frozen_clock);
  const auto inbox = expect(frozen->control_inbox("frozen@here"));
  const auto box = expect(frozen->reply_box());
  const auto broker = open(clock);
  const auto lively = expect(broker->control_inbox("lively@here"));
  ASSERT_TRUE(broker->broadcast(mail("1")));
  ASSERT_TRUE(broker->reply(box->address(), mail("2")));
  EXPECT_EQ(rows("mailbox"), 3);
  EXPECT_EQ(rows("mail"), 3);
  clock.advance(2 * kLease);
  EXPECT_TRUE(eventually([&] { return rows("mailbox") == 1 && rows("mail") == 1; }));

  // It stood still only: its inbox is there again, without what came meanwhile.
  EXPECT_TRUE(expect(inbox->next(9, {}, {})).empty());
  ASSERT_TRUE(broker->broadcast(mail("3")));
  EXPECT_EQ(expect(inbox->next(9, {}, {})).size(), 1U);
  EXPECT_EQ(expect(lively->next(9, {}, {})).size(), 2U);
}

TEST(SqliteBrokerBounds, AMessageBeyondTheBoundIsRefusedWithAllThatCameWithIt) {
  const TempDir dir;
  const SystemClock clock;
  const auto opened = open_sqlite_broker({.path = dir.file("broker.db"), .max_message_bytes = 1000},
                                         clock, Log::none());
  ASSERT_TRUE(opened) << opened.error().what;
  std::vector<OutgoingMessage> messages(2);
  for (auto& message : messages) message.queue = QueueName{"q"};
  messages[0].message.body = std::string(1000, 'x');
  messages[1].message.correlation_id = "large";
  messages[1].message.headers = "{}";
  messages[1].message.body = std::string(999, 'x');

  const auto refused = (*opened)->publish(messages);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
  EXPECT_EQ(refused.error().what, "publish large: 1001 bytes; a message may have 1000");
  EXPECT_TRUE((*opened)->queues().value().empty());

  EXPECT_TRUE((*opened)->publish({messages.data(), 1}));
  EXPECT_EQ((*opened)->queues().value().at(0).ready, 1U);
}

TEST_F(SqliteBroker, SaysWhoWentSilent) {
  std::mutex mutex;
  std::string logged;
  const Log log{"test", LogLevel::Info, [&](LogLevel, std::string_view, std::string_view text) {
                  const std::lock_guard lock{mutex};
                  logged += text;
                }};
  FakeClock frozen_clock;
  const auto frozen = open(frozen_clock);
  const auto sleeper = consume(*frozen);
  clock.advance(2 * kLease);
  const auto watcher = expect(open_sqlite_broker({.path = path, .lease = kLease}, clock, log));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock{mutex};
    return logged.find("went silent") != std::string::npos;
  }));
}

}  // namespace
}  // namespace umbel
