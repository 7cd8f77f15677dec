#include "truth.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace umbel::collector {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TruthFacts all_well() {
  TruthFacts facts;
  facts.up = minutes{5};
  facts.blind_for = seconds{0};
  facts.queues_age = seconds{1};
  facts.workers_online = 2;
  facts.queues = {{"reddit", 3, 2, seconds{2}}, {"umbel", 0, 2, std::nullopt}};
  facts.finished = 1204;
  facts.failed = 4;
  return facts;
}

struct TruthCase {
  const char* what;
  std::function<void(TruthFacts&)> change;
  TruthLevel level;
  const char* text;  // part of it
};

TEST(LineOfTruth, SaysWhatIsWrongWorstFirst) {
  const std::vector<TruthCase> cases{
      {"all well", [](TruthFacts&) {}, TruthLevel::Ok,
       "All well. 1,204 tasks/min, 0.3 % failing, oldest wait 2"},
      {"nothing to do", [](TruthFacts& f) { f.finished = f.failed = 0, f.queues.clear(); },
       TruthLevel::Ok, "All well. 0 tasks/min, 0 % failing, nothing waits in the queues."},
      {"started a while ago",
       [](TruthFacts& f) { f.finished = 50, f.failed = 0, f.seconds_seen = 30; }, TruthLevel::Ok,
       "100 tasks/min"},
      {"few, one failed", [](TruthFacts& f) { f.finished = 3, f.failed = 1; }, TruthLevel::Ok,
       "1 of them failed"},
      {"never saw anything", [](TruthFacts& f) { f.blind_for = std::nullopt; }, TruthLevel::Unknown,
       "The monitor is blind"},
      {"just started", [](TruthFacts& f) { f.blind_for = std::nullopt, f.up = seconds{1}; },
       TruthLevel::Unknown, "has just started"},
      {"blind", [](TruthFacts& f) { f.blind_for = seconds{12}; }, TruthLevel::Unknown,
       "could not read events for 12 s"},
      {"blind and idle",
       [](TruthFacts& f) { f.blind_for = minutes{2}, f.finished = f.failed = 0, f.queues.clear(); },
       TruthLevel::Unknown, "The monitor is blind"},
      {"queues unreadable", [](TruthFacts& f) { f.queues_age = seconds{30}; }, TruthLevel::Unknown,
       "cannot read the queues"},
      {"behind", [](TruthFacts& f) { f.lag = seconds{34}; }, TruthLevel::Unknown, "34 s behind"},
      {"a queue without consumers",
       [](TruthFacts& f) {
         f.queues[0] = {"reddit", 12, 0, minutes{4}};
       },
       TruthLevel::Bad, "Queue reddit has stood still for 4 min"},
      {"a queue without consumers for a moment",
       [](TruthFacts& f) {
         f.queues[0] = {"reddit", 12, 0, seconds{2}};
       },
       TruthLevel::Ok, "All well"},
      {"no workers, work waits",
       [](TruthFacts& f) { f.workers_online = 0, f.queues[0].consumers = 1; }, TruthLevel::Bad,
       "No worker is online; 3 tasks wait."},
      {"no workers, nothing waits", [](TruthFacts& f) { f.workers_online = 0, f.queues.clear(); },
       TruthLevel::Warn, "No worker is online."},
      {"no workers yet",
       [](TruthFacts& f) { f.workers_online = 0, f.up = seconds{2}, f.queues.clear(); },
       TruthLevel::Unknown, "listens for workers"},
      {"a worker lost", [](TruthFacts& f) { f.workers_lost = {"w2@host"}; }, TruthLevel::Warn,
       "Worker w2@host stopped without a goodbye."},
      {"some fail", [](TruthFacts& f) { f.failed = 120; }, TruthLevel::Warn,
       "10 % of the last minute's 1,204 tasks failed."},
      {"most fail", [](TruthFacts& f) { f.failed = 900; }, TruthLevel::Bad, "75 %"},
      {"most fail and a worker is lost",
       [](TruthFacts& f) { f.failed = 900, f.workers_lost = {"w2@host"}; }, TruthLevel::Bad,
       "75 %"},
      {"a slot is stuck",
       [](TruthFacts& f) {
         f.workers_stuck = {{"w1@host", 1, 4}};
       },
       TruthLevel::Warn, "Worker w1@host has 1 of 4 slots stuck in tasks that do not return. They"},
      {"slots are stuck in two of three",
       [](TruthFacts& f) {
         f.workers_online = 3;
         f.workers_stuck = {{"w1@host", 4, 4}, {"w2@host", 4, 4}};
       },
       TruthLevel::Warn, "so has 1 more. They come back when it is restarted."},
      {"every slot of every worker is stuck",
       [](TruthFacts& f) {
         f.workers_stuck = {{"w1@host", 4, 4}, {"w2@host", 2, 2}};
       },
       TruthLevel::Bad, "No task is run until it is restarted."},
      {"every slot of both, and most fail",
       [](TruthFacts& f) {
         f.failed = 900;
         f.workers_stuck = {{"w1@host", 4, 4}, {"w2@host", 2, 2}};
       },
       TruthLevel::Bad, "slots stuck"},
      {"the store is down", [](TruthFacts& f) { f.store_error = "umbel.db: the disk is full"; },
       TruthLevel::Bad,
       "The store does not answer: no task can be accepted, and results cannot be kept. umbel.db: "
       "the disk is full"},
      {"the store is down and the monitor is blind",
       [](TruthFacts& f) { f.store_error = "umbel.db: locked", f.blind_for = seconds{20}; },
       TruthLevel::Unknown, "The monitor is blind"},
      {"the broker is down",
       [](TruthFacts& f) {
         f.queues_age = f.blind_for = seconds{20};
         f.broker_error = "broker.db: the file is damaged";
       },
       TruthLevel::Unknown,
       "could not read events for 20 s. What is shown is older. The broker says: broker.db: the "
       "file is damaged."},
      {"the broker failed a moment ago",
       [](TruthFacts& f) { f.broker_error = "broker.db: locked"; }, TruthLevel::Ok, "All well"},
      {"taken and not started", [](TruthFacts& f) { f.taken = 1500; }, TruthLevel::Ok,
       "oldest wait 2.0 s, 1,500 taken by workers and not started."},
      {"the schedule has an error",
       [](TruthFacts& f) {
         f.schedule_wrong = {minutes{4}, minutes{30}, "s.yaml:2:22: entry 'a': every: '5x'"};
       },
       TruthLevel::Warn,
       "The schedule's file has had an error for 4 min; the one read 30 min ago is in force. "
       "s.yaml:2:22: entry 'a'"},
      {"the schedule has an error and most fail",
       [](TruthFacts& f) {
         f.schedule_wrong = {minutes{4}, minutes{30}, "s.yaml"};
         f.failed = 900;
       },
       TruthLevel::Bad, "75 %"},
      {"history shed", [](TruthFacts& f) { f.history_sheds = true; }, TruthLevel::Warn,
       "The history does not keep up: timelines and arguments are left out"},
      {"history", [](TruthFacts& f) { f.history_error = "disk full"; }, TruthLevel::Warn,
       "disk full"},
      {"missed", [](TruthFacts& f) { f.missed_lately = 18; }, TruthLevel::Warn,
       "18 events were missed"},
      {"a long wait", [](TruthFacts& f) { f.queues[0].oldest_wait = minutes{3}; }, TruthLevel::Warn,
       "The oldest task in queue reddit has waited 3 min"},
  };
  for (const TruthCase& each : cases) {
    SCOPED_TRACE(each.what);
    TruthFacts facts = all_well();
    each.change(facts);

    const Truth truth = line_of_truth(facts);

    EXPECT_EQ(truth.level, each.level) << truth.text;
    EXPECT_NE(truth.text.find(each.text), std::string::npos) << truth.text;
  }
}

TEST(LineOfTruth, LinksToWhatItSpeaksOf) {
  const auto link = [](const std::function<void(TruthFacts&)>& change) {
    TruthFacts facts = all_well();
    change(facts);
    return line_of_truth(facts).link;
  };
  EXPECT_EQ(link([](TruthFacts&) {}), "");
  EXPECT_EQ(link([](TruthFacts& f) { f.blind_for = std::nullopt; }), "/system");
  EXPECT_EQ(link([](TruthFacts& f) {
              f.queues[0] = {"re/ddit", 12, 0, minutes{4}};
            }),
            "/queue/re%2Fddit");
  EXPECT_EQ(link([](TruthFacts& f) { f.queues[0].oldest_wait = minutes{3}; }), "/queue/reddit");
  EXPECT_EQ(link([](TruthFacts& f) { f.workers_lost = {"w2@host"}; }), "/worker/w2%40host");
  EXPECT_EQ(link([](TruthFacts& f) { f.workers_lost = {"w2@host", "w3@host"}; }), "/workers");
  EXPECT_EQ(link([](TruthFacts& f) {
              f.workers_stuck = {{"w1@host", 1, 4}};
            }),
            "/worker/w1%40host");
  EXPECT_EQ(link([](TruthFacts& f) { f.workers_online = 0, f.queues.clear(); }), "/workers");
  EXPECT_EQ(link([](TruthFacts& f) { f.failed = 900; }), "/errors");
  EXPECT_EQ(link([](TruthFacts& f) {
              f.schedule_wrong = {minutes{4}, minutes{30}, "s"};
            }),
            "/schedule");
  EXPECT_EQ(link([](TruthFacts& f) { f.missed_lately = 1; }), "/system");
}

TEST(LineOfTruth, SaysWhyAQueueStandsStill) {
  const auto truth = [](StandstillKind kind, const char* text) {
    TruthFacts facts = all_well();
    facts.queues[0] = {"reddit", 12, 2, minutes{4}, minutes{3}, Standstill{kind, text}};
    return line_of_truth(facts);
  };
  EXPECT_EQ(truth(StandstillKind::AllStuck, "all 4 slots are stuck").text,
            "Queue reddit has stood still for 3 min: all 4 slots are stuck. 12 tasks wait.");
  EXPECT_EQ(truth(StandstillKind::AllStuck, "all 4 slots are stuck").level, TruthLevel::Bad);
  const Truth busy = truth(StandstillKind::AllBusy, "its workers are all busy with a (4)");
  EXPECT_EQ(busy.level, TruthLevel::Warn);
  EXPECT_EQ(busy.text,
            "The oldest task in queue reddit has waited 4 min: its workers are all busy with a "
            "(4).");
}

TEST(Grouped, SetsCommasByThrees) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1204), "1,204");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

}  // namespace
}  // namespace umbel::collector
