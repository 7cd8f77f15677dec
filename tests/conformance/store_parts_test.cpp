// The small parts of a store, whatever the engine: ticks, submissions, catalogue, leases, shared
// values, ping.
#include <limits>

#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TickLedgerConformance : public StoreConformance {
 protected:
  Result<std::vector<std::optional<OutboxId>>> take(const std::string& schedule, WallTime due,
                                                    const std::string& task) {
    auto acceptance = accepting({a_task(task)}, clock.wall());
    acceptance.tick = Tick{.schedule = schedule, .due = due};
    return store->outbox().accept(acceptance);
  }
  ScheduleStanding standing(const std::string& name, const std::string& definition,
                            WallTime since) {
    const ScheduleInForce schedule{name, definition, since};
    return store->ticks().take_up(std::span{&schedule, 1}, since).value().front();
  }
};

TEST_P(TickLedgerConformance, AScheduleIsInForceSinceItWasTakenUpFirst) {
  const auto start = clock.wall();
  EXPECT_EQ(standing("hourly", "every 1h", start).since, start);
  EXPECT_EQ(standing("hourly", "every 1h", start + seconds{60}).since, start);
  EXPECT_EQ(standing("hourly", "every 2h", start + seconds{70}).since, start + seconds{70})
      << "another definition is another schedule";
  EXPECT_EQ(standing("hourly", "every 1h", start + seconds{80}).since, start + seconds{80})
      << "also when it is the one before";

  const std::vector<std::string> gone{"hourly", "never there"};
  ASSERT_TRUE(store->ticks().lay_down(gone).has_value());
  EXPECT_EQ(standing("hourly", "every 1h", start + seconds{90}).since, start + seconds{90});
}

TEST_P(TickLedgerConformance, WhereManySchedulesStandComesInTheirOrder) {
  const auto now = clock.wall();
  ASSERT_TRUE(take("b", now - seconds{5}, "t1"));
  ASSERT_TRUE(take("b", now + seconds{5}, "t2"));  // a clock was ahead
  const std::vector<ScheduleInForce> schedules{{"b", "x", now - seconds{9}}, {"a", "x", now}};

  const auto standings = store->ticks().take_up(schedules, now);

  ASSERT_TRUE(standings.has_value()) << standings.error().what;
  ASSERT_EQ(standings->size(), 2U);
  EXPECT_EQ((*standings)[0].since, now - seconds{9});
  ASSERT_TRUE((*standings)[0].latest.has_value());
  EXPECT_EQ((*standings)[0].latest->due, now - seconds{5}) << "the future does not count";
  EXPECT_EQ((*standings)[1].since, now);
  EXPECT_FALSE((*standings)[1].latest.has_value());
}

TEST_P(TickLedgerConformance, TheLatestTickIsTheNewestOfAnyOutcome) {
  const auto start = clock.wall();
  EXPECT_FALSE(store->ticks().latest("hourly")->has_value());
  ASSERT_TRUE(take("hourly", start + seconds{10}, "t1"));

  const auto enqueued = store->ticks().latest("hourly");
  ASSERT_TRUE(store->ticks()
                  .record_missed("hourly", {start + seconds{10}, start + seconds{40}, 3}, start)
                  .value());
  const auto missed = store->ticks().latest("hourly");

  ASSERT_TRUE(enqueued->has_value());
  EXPECT_EQ((*enqueued)->schedule, "hourly");
  EXPECT_EQ((*enqueued)->outcome, TickOutcome::Enqueued);
  EXPECT_EQ((*enqueued)->due, start + seconds{10});
  EXPECT_EQ((*enqueued)->task, TaskId{"t1"});
  EXPECT_EQ((*enqueued)->recorded, clock.wall());
  ASSERT_TRUE(missed->has_value());
  EXPECT_EQ((*missed)->outcome, TickOutcome::Missed);
  EXPECT_EQ((*missed)->missed, 3U);
  EXPECT_TRUE((*missed)->task.empty());
}

TEST_P(TickLedgerConformance, MissedTicksAreRecordedOnce) {
  const auto due = clock.wall();
  ASSERT_TRUE(take("hourly", due, "t1"));
  const auto record = [&](WallTime after, WallTime latest, std::uint64_t count) {
    return store->ticks().record_missed("hourly", {after, latest, count}, clock.wall()).value();
  };

  EXPECT_FALSE(record(due - seconds{1}, due, 1)) << "it was enqueued";
  EXPECT_TRUE(record(due, due + seconds{3}, 3));
  EXPECT_FALSE(record(due, due + seconds{3}, 3)) << "twice";
  EXPECT_FALSE(record(due, due + seconds{4}, 4)) << "three of these have been counted";
  EXPECT_TRUE(record(due + seconds{3}, due + seconds{4}, 1));
  EXPECT_EQ(take("hourly", due + seconds{3}, "t2").error().code, Errc::Conflict)
      << "a missed tick is taken too";
  EXPECT_EQ(store->ticks().recent(10)->size(), 3U);
}

TEST_P(TickLedgerConformance, ATickTakesTheMissedOnesBeforeItAlongOnlyIfNobodyElseDid) {
  const auto start = clock.wall();
  const auto catch_up = [&](WallTime due, std::uint64_t missed, const std::string& task) {
    auto acceptance = accepting({a_task(task)}, clock.wall());
    acceptance.tick =
        Tick{.schedule = "a", .due = due, .missed = MissedTicks{start, due - seconds{1}, missed}};
    return store->outbox().accept(acceptance);
  };
  ASSERT_TRUE(take("a", start, "t0"));

  ASSERT_TRUE(catch_up(start + seconds{5}, 4, "t5").has_value());
  const auto later = catch_up(start + seconds{6}, 5, "t6");  // counted from the same point

  ASSERT_TRUE(later.has_error());
  EXPECT_EQ(later.error().code, Errc::Conflict);
  const auto recent = store->ticks().recent(10).value();
  ASSERT_EQ(recent.size(), 3U) << "the second one changed nothing";
  EXPECT_EQ(recent[0].task, TaskId{"t5"});
  EXPECT_EQ(recent[1].missed, 4U);
  EXPECT_EQ(recent[1].due, start + seconds{4});
  EXPECT_EQ(store->results().find(TaskId{"t6"}).error().code, Errc::NotFound);
}

TEST_P(TickLedgerConformance, TicksAcceptedTogetherAreEachForItself) {
  const auto due = clock.wall();
  ASSERT_TRUE(take("b", due, "elsewhere"));
  std::vector<Acceptance> acceptances;
  for (const std::string name : {"a", "b", "c"}) {
    acceptances.push_back(accepting({a_task("task of " + name)}, clock.wall()));
    acceptances.back().tick = Tick{.schedule = name, .due = due};
  }

  const auto each = store->outbox().accept_each(acceptances);

  ASSERT_TRUE(each.has_value()) << each.error().what;
  ASSERT_EQ(each->size(), 3U);
  EXPECT_TRUE((*each)[0].has_value());
  EXPECT_EQ((*each)[1].error().code, Errc::Conflict);
  EXPECT_TRUE((*each)[2].has_value());
  EXPECT_EQ(store->results().find(TaskId{"task of a"})->state, TaskState::Pending);
  EXPECT_EQ(store->results().find(TaskId{"task of b"}).error().code, Errc::NotFound);
  EXPECT_EQ(store->results().find(TaskId{"task of c"})->state, TaskState::Pending);
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 3U);
}

TEST_P(TickLedgerConformance, OldTicksAreForgottenButForTheNewestOfEachSchedule) {
  const auto now = clock.wall();
  for (int day = 1; day <= 9; ++day) {
    ASSERT_TRUE(take("daily", now - seconds{86400 * day}, "d" + std::to_string(day)));
  }
  ASSERT_TRUE(take("rare", now - seconds{86400 * 100}, "r1"));
  ASSERT_TRUE(take("rare", now - seconds{86400 * 200}, "r2"));
  const auto before = now - seconds{86400 * 4};

  EXPECT_EQ(store->ticks().forget(before, 2).value(), 2U) << "no more than asked for";
  EXPECT_EQ(store->ticks().forget(before, 100).value(), 3U);
  EXPECT_EQ(store->ticks().forget(before, 100).value(), 0U);

  std::vector<std::string> left;
  for (const auto& tick : store->ticks().recent(100).value()) left.push_back(tick.task.str());
  EXPECT_EQ(left, (std::vector<std::string>{"d1", "d2", "d3", "d4", "d5", "r1"}));
}

TEST_P(TickLedgerConformance, RecentTicksComeNewestFirst) {
  const auto start = clock.wall();
  ASSERT_TRUE(take("a", start + seconds{1}, "t1"));
  ASSERT_TRUE(take("b", start + seconds{3}, "t3"));
  ASSERT_TRUE(take("a", start + seconds{2}, "t2"));

  const auto recent = store->ticks().recent(2);

  ASSERT_EQ(recent->size(), 2U);
  EXPECT_EQ((*recent)[0].task, TaskId{"t3"});
  EXPECT_EQ((*recent)[1].task, TaskId{"t2"});
}

// However busy the others are, the one that ticked long ago is among them.
TEST_P(TickLedgerConformance, EachScheduleHasItsNewestTickAndWhatItMissed) {
  const auto start = clock.wall();
  EXPECT_TRUE(store->ticks().newest_of_each()->empty());
  ASSERT_TRUE(take("rare", start, "r1"));
  for (int i = 1; i <= 40; ++i)
    ASSERT_TRUE(take("busy", start + seconds{i}, "b" + std::to_string(i)));
  ASSERT_TRUE(take("late", start, "l1"));
  for (const int hour : {1, 2}) {
    const WallTime latest = start + std::chrono::hours{hour};
    ASSERT_TRUE(
        store->ticks()
            .record_missed("late", {latest - std::chrono::hours{1}, latest, 3}, clock.wall())
            .value());
  }

  const auto each = store->ticks().newest_of_each();

  ASSERT_EQ(each->size(), 3U);
  EXPECT_EQ((*each)[0].newest.schedule, "busy");
  EXPECT_EQ((*each)[0].newest.task, TaskId{"b40"});
  EXPECT_EQ((*each)[0].last_task, TaskId{"b40"});
  EXPECT_EQ((*each)[0].missed, 0U);
  EXPECT_EQ((*each)[1].newest.schedule, "late");
  EXPECT_EQ((*each)[1].newest.outcome, TickOutcome::Missed);
  EXPECT_EQ((*each)[1].newest.due, start + std::chrono::hours{2});
  EXPECT_EQ((*each)[1].last_task, TaskId{"l1"});
  EXPECT_EQ((*each)[1].missed, 6U);
  EXPECT_EQ((*each)[2].newest.schedule, "rare");
  EXPECT_EQ((*each)[2].newest.due, start);
}

class SubmissionStoreConformance : public StoreConformance {
 protected:
  Submission a_submission(const std::string& fullname) {
    Submission s;
    s.fullname = fullname;
    s.subreddit = "cpp";
    s.author = "[deleted]";
    s.title = "Schöne Grüße 🌼";
    s.selftext = "text";
    s.url = "https://example.org/";
    s.permalink = "/r/cpp/comments/a/";
    s.domain = "example.org";
    s.score = -3;
    s.num_comments = 12;
    s.upvote_ratio = 0.75;
    s.created = clock.wall() - seconds{60};
    s.edited = clock.wall() - seconds{30};
    s.is_self = s.locked = true;
    s.link_flair_text = "";
    s.thumbnail = "self";
    s.source = "api";
    s.simulated = true;
    s.fetched = clock.wall();
    return s;
  }
  void upsert(const Submission& s) {
    ASSERT_TRUE(store->submissions().upsert(std::span{&s, 1}).has_value());
  }
};

TEST_P(SubmissionStoreConformance, EveryFieldComesBack) {
  const auto full = a_submission("t3_full");
  auto sparse = a_submission("t3_sparse");
  sparse.upvote_ratio.reset();
  sparse.edited.reset();
  sparse.link_flair_text.reset();
  sparse.thumbnail.reset();
  sparse.is_self = sparse.locked = sparse.simulated = false;
  sparse.over_18 = sparse.stickied = true;
  ASSERT_TRUE(store->submissions().upsert(std::vector{full, sparse}).has_value());

  EXPECT_EQ(store->submissions().find("t3_full").value(), full);
  EXPECT_EQ(store->submissions().find("t3_sparse").value(), sparse);
  EXPECT_EQ(store->submissions().find("t3_none").error().code, Errc::NotFound);
}

TEST_P(SubmissionStoreConformance, ALaterFetchReplacesAnEarlierOneButNotTheReverse) {
  auto first = a_submission("t3_a");
  auto second = first;
  second.score = 50;
  second.fetched += seconds{10};
  upsert(first);

  upsert(second);
  upsert(first);

  EXPECT_EQ(store->submissions().find("t3_a").value(), second);
  EXPECT_EQ(store->submissions().count().value(), 1U);
}

TEST_P(SubmissionStoreConformance, TheLatestComeNewestByFetchFirst) {
  for (const auto* name : {"t3_a", "t3_b", "t3_c"}) {
    clock.advance(seconds{1});
    upsert(a_submission(name));
  }

  const auto latest = store->submissions().latest(2);

  ASSERT_EQ(latest->size(), 2U);
  EXPECT_EQ((*latest)[0].fullname, "t3_c");
  EXPECT_EQ((*latest)[1].fullname, "t3_b");
  EXPECT_EQ(store->submissions().count().value(), 3U);
}

class TaskCatalogueConformance : public StoreConformance {};

TEST_P(TaskCatalogueConformance, AnEntryComesBackAndIsReplacedWhole) {
  CatalogueEntry entry{.name = "demo.add",
                       .queue = QueueName{"demo"},
                       .parameters = {{"x", "integer", true, ""}, {"y", "number", false, "1.5"}},
                       .max_retries = 3,
                       .soft_time_limit = 2.5,
                       .ignore_result = true,
                       .description = "adds"};
  ASSERT_TRUE(store->catalogue().upsert(std::span{&entry, 1}, clock.wall()).has_value());
  EXPECT_EQ(store->catalogue().find("demo.add").value(), entry);

  entry.parameters = {{"z", "any", true, ""}};
  entry.soft_time_limit.reset();
  entry.ignore_result = false;
  ASSERT_TRUE(store->catalogue().upsert(std::span{&entry, 1}, clock.wall()).has_value());

  EXPECT_EQ(store->catalogue().find("demo.add").value(), entry);
  EXPECT_EQ(store->catalogue().find("demo.sub").error().code, Errc::NotFound);
}

TEST_P(TaskCatalogueConformance, AllEntriesComeByName) {
  std::vector<CatalogueEntry> entries(2);
  entries[0].name = "b";
  entries[0].parameters = {{"x", "integer", true, ""}};
  entries[1].name = "a";
  ASSERT_TRUE(store->catalogue().upsert(entries, clock.wall()).has_value());

  const auto all = store->catalogue().all();

  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0], entries[1]);
  EXPECT_EQ((*all)[1], entries[0]);
}

class LeasesConformance : public StoreConformance {};

TEST_P(LeasesConformance, ALeaseHasOneOwnerUntilItRunsOut) {
  auto& leases = store->leases();
  const auto now = clock.wall();

  EXPECT_TRUE(leases.acquire("writer", "a", milliseconds{1000}, now).value());
  EXPECT_FALSE(leases.acquire("writer", "b", milliseconds{1000}, now).value());
  EXPECT_TRUE(leases.acquire("other", "b", milliseconds{1000}, now).value());
  EXPECT_TRUE(leases.acquire("writer", "a", milliseconds{1000}, now + milliseconds{900}).value());
  EXPECT_FALSE(leases.acquire("writer", "b", milliseconds{1000}, now + milliseconds{1500}).value());
  EXPECT_TRUE(leases.acquire("writer", "b", milliseconds{1000}, now + milliseconds{1900}).value());
  EXPECT_FALSE(leases.acquire("writer", "a", milliseconds{1000}, now + milliseconds{1950}).value());
}

TEST_P(LeasesConformance, OnlyTheOwnerReleases) {
  auto& leases = store->leases();
  ASSERT_TRUE(leases.acquire("writer", "a", milliseconds{1000}, clock.wall()).value());

  ASSERT_TRUE(leases.release("writer", "b").has_value());
  EXPECT_FALSE(leases.acquire("writer", "b", milliseconds{1000}, clock.wall()).value());
  ASSERT_TRUE(leases.release("writer", "a").has_value());
  EXPECT_TRUE(leases.acquire("writer", "b", milliseconds{1000}, clock.wall()).value());
}

class SharedValuesConformance : public StoreConformance {};

TEST_P(SharedValuesConformance, AValueIsThereUntilItExpires) {
  auto& shared = store->shared();
  const std::string bytes{"\0token\xff", 7};
  const auto expires = clock.wall() + seconds{10};
  ASSERT_TRUE(shared.put("token", bytes, expires).has_value());

  EXPECT_EQ(shared.get("token", clock.wall()).value(), bytes);
  EXPECT_EQ(shared.get("token", expires - milliseconds{1}).value(), bytes);
  EXPECT_FALSE(shared.get("token", expires)->has_value());
  EXPECT_FALSE(shared.get("other", clock.wall())->has_value());
  ASSERT_TRUE(shared.put("token", "", expires + seconds{10}).has_value());
  EXPECT_EQ(shared.get("token", expires).value(), "");
}

TEST_P(SharedValuesConformance, AddingStartsAtTheInitialValueAndAgainAfterExpiry) {
  auto& shared = store->shared();
  const auto now = clock.wall();
  const auto expires = now + seconds{10};

  EXPECT_EQ(shared.add("budget", -1, 100, expires, now).value(), 99);
  EXPECT_EQ(shared.add("budget", -2, 100, expires + seconds{99}, now).value(), 97)
      << "the expiry is set by the first";
  EXPECT_EQ(shared.get("budget", now).value(), "97");
  EXPECT_EQ(shared.add("budget", -1, 50, expires + seconds{10}, expires).value(), 49);
}

TEST_P(SharedValuesConformance, AddingToWhatIsNoIntegerOrPastItsRangeIsInvalid) {
  auto& shared = store->shared();
  const auto expires = clock.wall() + seconds{10};
  ASSERT_TRUE(shared.put("token", "secret", expires).has_value());
  ASSERT_TRUE(shared.put("full", std::to_string(std::numeric_limits<std::int64_t>::max()), expires)
                  .has_value());

  const auto text = shared.add("token", 1, 0, expires, clock.wall());
  const auto full = shared.add("full", 1, 0, expires, clock.wall());

  ASSERT_TRUE(text.has_error());
  EXPECT_EQ(text.error().code, Errc::Invalid);
  EXPECT_EQ(text.error().what.find("secret"), std::string::npos) << "values may be secrets";
  ASSERT_TRUE(full.has_error());
  EXPECT_EQ(full.error().code, Errc::Invalid);
}

TEST_P(SharedValuesConformance, ReplacingNeedsTheValueThatIsThere) {
  auto& shared = store->shared();
  const auto now = clock.wall();
  const auto expires = now + seconds{10};

  EXPECT_FALSE(shared.replace("state", "1", "2", expires, now).value()) << "nothing is there";
  EXPECT_TRUE(shared.replace("state", std::nullopt, "1", expires, now).value());
  EXPECT_FALSE(shared.replace("state", std::nullopt, "2", expires, now).value());
  EXPECT_FALSE(shared.replace("state", "2", "3", expires, now).value());
  EXPECT_EQ(shared.get("state", now).value(), "1");
  EXPECT_TRUE(shared.replace("state", "1", "2", expires + seconds{5}, now).value());
  EXPECT_EQ(shared.get("state", expires).value(), "2") << "the expiry is the last one given";
  EXPECT_TRUE(shared.replace("state", std::nullopt, "4", expires + seconds{9}, expires + seconds{5})
                  .value())
      << "expired is not there";
}

class PingConformance : public StoreConformance {};

TEST_P(PingConformance, AStoreThatIsThereAnswers) {
  const auto answer = store->ping();

  EXPECT_TRUE(answer.has_value()) << answer.error().what;
}

UMBEL_INSTANTIATE_STORE_SUITE(TickLedgerConformance);
UMBEL_INSTANTIATE_STORE_SUITE(SubmissionStoreConformance);
UMBEL_INSTANTIATE_STORE_SUITE(TaskCatalogueConformance);
UMBEL_INSTANTIATE_STORE_SUITE(LeasesConformance);
UMBEL_INSTANTIATE_STORE_SUITE(SharedValuesConformance);
UMBEL_INSTANTIATE_STORE_SUITE(PingConformance);

}  // namespace
}  // namespace umbel::testing
