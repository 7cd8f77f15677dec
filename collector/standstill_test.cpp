#include "standstill.hpp"

#include <gtest/gtest.h>

namespace umbel::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using enum StandstillKind;

WorkerStand worker(const std::string& name, std::vector<std::string> queues, std::int64_t active,
                   std::int64_t slots) {
  WorkerStand made;
  made.name = name;
  made.queues = std::move(queues);
  made.active = active;
  made.slots = slots;
  return made;
}
WorkerStand busy(const std::string& name, const std::string& task, std::int64_t slots) {
  WorkerStand made = worker(name, {"reddit"}, slots, slots);
  made.runs = {{task, static_cast<std::uint64_t>(slots)}};
  return made;
}
WorkerStand stuck(const std::string& name, std::int64_t slots) {
  WorkerStand made = worker(name, {"reddit"}, slots, slots);
  made.stuck = slots;
  return made;
}
WorkerStand lost(WorkerStand made) {
  made.online = false;
  return made;
}
QueueStand standing(std::uint64_t consumers) {
  return {.ready = 12, .delayed = 0, .consumers = consumers, .unmoved = seconds{40}};
}

struct Case {
  const char* what;
  QueueStand stand;
  std::vector<WorkerStand> workers;
  StandstillKind kind;
  const char* text;
};

TEST(StandstillTest, SaysWhy) {
  const std::vector<Case> cases{
      {"nobody at all", standing(0), {}, NoConsumer, "no worker takes from it, none is online"},
      {"others only",
       standing(0),
       {worker("w1", {"umbel"}, 0, 4), worker("w2", {"geo", "umbel"}, 0, 4)},
       NoConsumer,
       "no worker takes from it; 2 online take from geo, umbel"},
      {"one other",
       standing(0),
       {worker("w1", {"umbel"}, 0, 4)},
       NoConsumer,
       "no worker takes from it; 1 online takes from umbel"},
      {"Celery's workers do not say their queues",
       standing(0),
       {worker("w1", {}, 0, 0)},
       NoConsumer,
       "no worker takes from it"},
      {"the one that did is lost",
       standing(0),
       {lost(worker("w1", {"reddit"}, 0, 4)), worker("w2", {"umbel"}, 0, 4)},
       NoConsumer,
       "no worker takes from it; w1 did and stopped without a goodbye"},
      {"all busy",
       standing(2),
       {busy("w1", "reddit.fetch", 4), busy("w2", "demo.sleep", 2), worker("w3", {"umbel"}, 0, 4)},
       AllBusy,
       "its workers are all busy with reddit.fetch (4), demo.sleep (2)"},
      {"one busy", standing(1), {busy("w1", "a", 1)}, AllBusy, "its worker is busy with a (1)"},
      {"many kinds",
       standing(5),
       {busy("w1", "a", 5), busy("w2", "b", 4), busy("w3", "c", 3), busy("w4", "d", 2),
        busy("w5", "e", 1)},
       AllBusy,
       "its workers are all busy with a (5), b (4), c (3) and 2 more"},
      {"some slots stuck, the others busy",
       standing(2),
       {busy("w1", "a", 4), stuck("w2", 2)},
       AllBusy,
       "its workers are all busy with a (4); 2 of 6 slots are stuck"},
      {"all slots stuck",
       standing(2),
       {stuck("w1", 4), stuck("w2", 2)},
       AllStuck,
       "all 6 slots of its workers are stuck in tasks that do not return"},
      {"the only slot stuck",
       standing(1),
       {stuck("w1", 1)},
       AllStuck,
       "the only slot of its workers is stuck in a task that does not return"},
      {"frozen",
       standing(1),
       {lost(worker("w1", {"reddit"}, 1, 4))},
       WorkersSilent,
       "w1 takes from it and does not answer"},
      {"connected and idle",
       standing(1),
       {worker("w1", {"reddit"}, 1, 4)},
       NotTaking,
       "one worker is connected and takes nothing"},
      {"Celery's workers, of unknown size",
       standing(2),
       {worker("w1", {}, 8, 0)},
       NotTaking,
       "2 workers are connected and take nothing"},
      {"all delayed",
       {.ready = 0, .delayed = 3, .consumers = 0, .unmoved = std::nullopt},
       {},
       AllDelayed,
       "all 3 tasks wait for their time"},
      {"one delayed",
       {.ready = 0, .delayed = 1, .consumers = 2, .unmoved = seconds{99}},
       {},
       AllDelayed,
       "its only task waits for its time"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    const auto why = standstill("reddit", each.stand, each.workers, "");
    ASSERT_TRUE(why.has_value());
    EXPECT_EQ(why->kind, each.kind) << why->text;
    EXPECT_EQ(why->text, each.text);
  }
}

TEST(StandstillTest, AQueueThatGoesOnHasNoReason) {
  QueueStand stand = standing(0);
  stand.unmoved = milliseconds{9'900};
  EXPECT_FALSE(standstill("reddit", stand, {}, "").has_value());
  stand.unmoved = std::nullopt;
  EXPECT_FALSE(standstill("reddit", stand, {}, "").has_value());
  EXPECT_FALSE(standstill("reddit", {}, {}, "").has_value());
}

TEST(StandstillTest, ABrokerThatDoesNotAnswerComesFirst) {
  const auto why = standstill("reddit", standing(0), {}, "broker.db: the file is damaged");
  ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->kind, BrokerSilent);
  EXPECT_EQ(why->text, "the broker does not answer: broker.db: the file is damaged");
}

TEST(StandstillTest, OnlySomeWantHelp) {
  for (const auto kind : {NoConsumer, WorkersSilent, AllStuck, NotTaking})
    EXPECT_TRUE(wants_help(kind));
  for (const auto kind : {BrokerSilent, AllBusy, AllDelayed}) EXPECT_FALSE(wants_help(kind));
}

}  // namespace
}  // namespace umbel::collector
