// Status, results and the run-number rule, whatever the engine.
#include <map>
#include <random>

#include "store_under_test.hpp"

namespace umbel::testing {
namespace {

using std::chrono::seconds;

class ResultStoreConformance : public StoreConformance {
 protected:
  FinishOutcome finish(const FinishedRun& run) {
    const auto outcomes = store->results().finish(std::span{&run, 1});
    EXPECT_TRUE(outcomes.has_value()) << outcomes.error().what;
    return outcomes->front();
  }
  RunState look_up(const std::string& id) {
    const TaskId task{id};
    return store->results().look_up(std::span{&task, 1}).value().front();
  }
};

TEST_P(ResultStoreConformance, AnUnknownIdIsNotFound) {
  const auto found = store->results().find(TaskId{"nope"});

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Errc::NotFound);
  EXPECT_NE(found.error().what.find("nope"), std::string::npos);
}

TEST_P(ResultStoreConformance, LookUpAnswersForEachIdInOrder) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1"), a_task("t2")}, clock.wall())));
  ASSERT_TRUE(store->results().begin_again(TaskId{"t1"}, "demo.add", QueueName{"mail"}));
  EXPECT_TRUE(finish(a_success("t2", 0, clock.wall())).stored);

  const std::vector<TaskId> ids{TaskId{"t2"}, TaskId{"fresh"}, TaskId{"t1"}};
  const auto states = store->results().look_up(ids);

  ASSERT_TRUE(states.has_value());
  ASSERT_EQ(states->size(), 3U);
  EXPECT_TRUE((*states)[0].final);
  EXPECT_FALSE((*states)[1].final);
  EXPECT_EQ((*states)[1].run, 0);
  EXPECT_EQ((*states)[2].run, 1);
  EXPECT_EQ((*states)[2].lost_starts, 1);
}

TEST_P(ResultStoreConformance, AResultIsKeptWithEverythingKnownOfIt) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1")}, clock.wall())));
  auto run = a_success("t1", 0, clock.wall() + seconds{3});
  run.state = TaskState::Failure;
  run.result = R"({"exc_type": "ValueError"})";
  run.traceback = "Traceback…\nValueError: boom";

  EXPECT_TRUE(finish(run).stored);

  const auto found = store->results().find(TaskId{"t1"});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, TaskState::Failure);
  EXPECT_EQ(found->accepted, clock.wall());
  EXPECT_EQ(found->result, run.result);
  EXPECT_EQ(found->traceback, run.traceback);
  EXPECT_EQ(found->worker, run.worker);
  EXPECT_EQ(found->runtime, run.runtime);
  EXPECT_EQ(found->done, run.done);
  EXPECT_GT(found->sequence, 0U);
}

TEST_P(ResultStoreConformance, AForeignProducersTaskIsKnownByItsResultAlone) {
  EXPECT_TRUE(finish(a_success("foreign", 0, clock.wall())).stored);

  const auto found = store->results().find(TaskId{"foreign"});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, TaskState::Success);
  EXPECT_EQ(found->name, "demo.add");
  EXPECT_EQ(found->queue, QueueName{"mail"});
  EXPECT_FALSE(found->accepted.has_value());
}

TEST_P(ResultStoreConformance, AForeignTaskHasAStatusSinceItBegan) {
  const auto state = store->results().begin_again(TaskId{"foreign"}, "demo.add", QueueName{"mail"});

  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->run, 1);
  EXPECT_EQ(state->lost_starts, 1);
  const auto begun = store->results().find(TaskId{"foreign"});
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->state, TaskState::Pending);
  EXPECT_EQ(begun->name, "demo.add");
  EXPECT_FALSE(begun->accepted.has_value());
  EXPECT_TRUE(finish(a_success("foreign", 1, clock.wall())).stored);
}

TEST_P(ResultStoreConformance, ALateWriterIsRefusedAndChangesNothing) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1")}, clock.wall())));
  ASSERT_TRUE(store->results().begin_again(TaskId{"t1"}, "demo.add", QueueName{"mail"}));

  auto frozen = a_success("t1", 0, clock.wall());
  frozen.result = "\"late\"";
  EXPECT_FALSE(finish(frozen).stored) << "the first run was superseded";
  EXPECT_TRUE(finish(a_success("t1", 1, clock.wall())).stored);
  auto second = a_success("t1", 1, clock.wall());
  second.result = "\"again\"";
  EXPECT_FALSE(finish(second).stored) << "there is a final result";
  EXPECT_FALSE(finish(a_retry("t1", 1, clock.wall())).stored);

  EXPECT_EQ(store->results().find(TaskId{"t1"})->result, "1");
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 10)->size(), 1U)
      << "the refused retry left no message";
}

TEST_P(ResultStoreConformance, AWriterOfARunThatNeverBeganIsRefused) {
  EXPECT_FALSE(finish(a_success("fresh", 3, clock.wall())).stored);
  EXPECT_EQ(store->results().find(TaskId{"fresh"}).error().code, Errc::NotFound);
}

TEST_P(ResultStoreConformance, ARetryRaisesTheRunAndPutsItsMessageIntoTheOutbox) {
  const auto accepted = store->outbox().accept(accepting({a_task("t1")}, clock.wall()));
  const std::vector<OutboxId> published{*accepted->front()};
  ASSERT_TRUE(store->outbox().clear(published));
  clock.advance(seconds{5});

  const auto outcome = finish(a_retry("t1", 0, clock.wall()));

  EXPECT_TRUE(outcome.stored);
  ASSERT_TRUE(outcome.retry_row.has_value());
  const auto rows = store->outbox().unpublished(clock.wall() + seconds{1}, 10);
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front().id, outcome.retry_row);
  EXPECT_EQ(rows->front().message, a_task("t1").message);
  EXPECT_TRUE(store->outbox().unpublished(clock.wall(), 10)->empty()) << "written when it was done";
  const auto found = store->results().find(TaskId{"t1"});
  EXPECT_EQ(found->state, TaskState::Retry);
  EXPECT_EQ(found->run, 1);
  EXPECT_EQ(found->sequence, 0U);
  EXPECT_FALSE(look_up("t1").final);
  EXPECT_TRUE(finish(a_success("t1", 1, clock.wall())).stored);
}

TEST_P(ResultStoreConformance, ARetryOfAForeignTaskIsKnown) {
  EXPECT_TRUE(finish(a_retry("foreign", 0, clock.wall())).stored);

  EXPECT_EQ(store->results().find(TaskId{"foreign"})->state, TaskState::Retry);
  EXPECT_EQ(look_up("foreign").run, 1);
}

TEST_P(ResultStoreConformance, AnEndThatIsNoneIsInvalidAndNothingOfItsBatchIsStored) {
  std::vector<FinishedRun> batch{a_success("t1", 0, clock.wall()),
                                 a_success("t2", 0, clock.wall())};
  batch[1].state = TaskState::Started;
  const auto started = store->results().finish(batch);
  batch[1].state = TaskState::Retry;
  const auto without_message = store->results().finish(batch);

  ASSERT_TRUE(started.has_error());
  EXPECT_EQ(started.error().code, Errc::Invalid);
  EXPECT_NE(started.error().what.find("t2"), std::string::npos) << started.error().what;
  ASSERT_TRUE(without_message.has_error());
  EXPECT_EQ(without_message.error().code, Errc::Invalid);
  EXPECT_EQ(store->results().find(TaskId{"t1"}).error().code, Errc::NotFound);
}

TEST_P(ResultStoreConformance, ABatchMayEndOneTaskTwice) {
  const std::vector<FinishedRun> batch{a_retry("t1", 0, clock.wall()),
                                       a_success("t1", 1, clock.wall()),
                                       a_success("t1", 1, clock.wall())};

  const auto outcomes = store->results().finish(batch);

  ASSERT_TRUE(outcomes.has_value());
  EXPECT_TRUE((*outcomes)[0].stored);
  EXPECT_TRUE((*outcomes)[1].stored);
  EXPECT_FALSE((*outcomes)[2].stored);
}

TEST_P(ResultStoreConformance, BeginAgainAfterTheResultSaysFinalAndChangesNothing) {
  EXPECT_TRUE(finish(a_success("t1", 0, clock.wall())).stored);

  const auto state = store->results().begin_again(TaskId{"t1"}, "demo.add", QueueName{"mail"});

  ASSERT_TRUE(state.has_value());
  EXPECT_TRUE(state->final);
  EXPECT_EQ(state->run, 0);
}

TEST_P(ResultStoreConformance, FinalResultsAreNumberedInTheOrderOfTheirComing) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("pending")}, clock.wall())));
  std::vector<FinishedRun> batch;
  for (int i = 0; i < 5; ++i) batch.push_back(a_success("t" + std::to_string(i), 0, clock.wall()));
  batch.push_back(a_retry("retrying", 0, clock.wall()));
  ASSERT_TRUE(store->results().finish(batch));
  EXPECT_TRUE(finish(a_success("last", 0, clock.wall())).stored);

  const auto all = store->results().finished_since(0, 100);
  const auto two = store->results().finished_since((*all)[1].sequence, 2);
  const auto none = store->results().finished_since(all->back().sequence, 100);

  ASSERT_EQ(all->size(), 6U);
  EXPECT_EQ(all->front().id, TaskId{"t0"});
  EXPECT_EQ(all->back().id, TaskId{"last"});
  for (std::size_t i = 1; i < all->size(); ++i) {
    EXPECT_GT((*all)[i].sequence, (*all)[i - 1].sequence);
  }
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(two->front().id, TaskId{"t2"});
  EXPECT_EQ(two->front().result, "0");
  EXPECT_TRUE(none->empty());
}

struct ModelTask {
  std::int64_t run = 0;
  std::int64_t lost = 0;
  bool final = false;
  bool known = false;  // find() answers
};

TEST_P(ResultStoreConformance, ARunThatIsHandedBackIsNoLostWorker) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t")}, clock.wall())).has_value());
  const HandedBack run{TaskId{"t"}, "demo.add", QueueName{"mail"}};
  const HandedBack foreign{TaskId{"foreign"}, "demo.add", QueueName{"mail"}};

  for (int restart = 0; restart < 5; ++restart) {
    ASSERT_TRUE(store->results().hand_back(std::vector{run, foreign}).has_value());
    ASSERT_TRUE(store->results().begin_again(run.id, run.name, run.queue).has_value());
    ASSERT_TRUE(store->results().begin_again(foreign.id, run.name, run.queue).has_value());
  }
  ASSERT_TRUE(store->results().begin_again(run.id, run.name, run.queue).has_value());  // kill -9

  EXPECT_EQ(look_up("t").lost_workers(), 1);
  EXPECT_EQ(look_up("t").run, 6);
  EXPECT_EQ(look_up("foreign").lost_workers(), 0);
  EXPECT_TRUE(finish(a_success("t", 6, clock.wall())).stored);
}

TEST_P(ResultStoreConformance, AnyRunOfCallsAgreesWithAPlainModel) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  const auto below = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(random); };
  std::map<std::string, ModelTask> model;
  std::uint64_t finals = 0;
  std::size_t messages = 0;

  for (int step = 0; step < 600; ++step) {
    const auto id = "t" + std::to_string(below(12));
    auto& expected = model[id];
    const auto run = expected.run + below(3) - 1;
    switch (below(4)) {
      case 0: {
        const bool fresh = !expected.known && expected.run == 0;
        const auto accepted = store->outbox().accept(accepting({a_task(id)}, clock.wall()));
        ASSERT_TRUE(accepted.has_value());
        ASSERT_EQ(accepted->front().has_value(), fresh) << "accept " << id;
        messages += fresh ? 1 : 0;
        expected.known = true;
        break;
      }
      case 1: {
        const auto state = store->results().begin_again(TaskId{id}, "demo.add", QueueName{"mail"});
        ASSERT_TRUE(state.has_value());
        if (!expected.final) {
          ++expected.run;
          ++expected.lost;
        }
        expected.known = true;
        ASSERT_EQ(state->run, expected.run);
        break;
      }
      case 2: {
        const bool stored = !expected.final && run == expected.run;
        ASSERT_EQ(finish(a_retry(id, run, clock.wall())).stored, stored) << "retry " << id;
        if (!stored) break;
        ++expected.run;
        ++messages;
        expected.known = true;
        break;
      }
      default: {
        if (below(4) != 0) break;  // else everything would soon be final
        const bool stored = !expected.final && run == expected.run;
        ASSERT_EQ(finish(a_success(id, run, clock.wall())).stored, stored) << "finish " << id;
        if (!stored) break;
        expected.final = expected.known = true;
        ++finals;
      }
    }
    const auto state = look_up(id);
    ASSERT_EQ(state.run, expected.run);
    ASSERT_EQ(state.lost_starts, expected.lost);
    ASSERT_EQ(state.final, expected.final);
    ASSERT_EQ(store->results().find(TaskId{id}).has_value(), expected.known) << id;
  }

  EXPECT_EQ(store->results().finished_since(0, 1000)->size(), finals);
  EXPECT_EQ(store->outbox().unpublished(clock.wall() + seconds{1}, 1000)->size(), messages);
}

UMBEL_INSTANTIATE_STORE_SUITE(ResultStoreConformance);

TEST_P(ResultStoreConformance, AcceptsWhatFollowsInTheTransactionOfTheResult) {
  ASSERT_TRUE(store->outbox().accept(accepting({a_task("t1"), a_task("known")}, clock.wall())));
  auto run = a_success("t1", 0, clock.wall());
  run.successors = {a_task("next"), a_task("known")};
  run.children = {{"next"}, {"group", true, {{"a"}, {"b"}}}};

  const auto outcome = finish(run);

  EXPECT_TRUE(outcome.stored);
  ASSERT_EQ(outcome.successor_rows.size(), 2U);
  EXPECT_TRUE(outcome.successor_rows[0]);
  EXPECT_FALSE(outcome.successor_rows[1]) << "accepted before: no second message";
  EXPECT_EQ(store->results().find(TaskId{"t1"})->children, run.children);
  const auto next = store->results().find(TaskId{"next"});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->state, TaskState::Pending);
  const auto rows = store->outbox().unpublished(clock.wall() + seconds{1}, 10);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ(rows->back().task, TaskId{"next"});
  EXPECT_EQ(rows->back().id, *outcome.successor_rows[0]);
  EXPECT_EQ(rows->back().message, a_task("next").message);

  // The same run told again, and an older one, make nothing.
  run.successors = {a_task("other")};
  EXPECT_FALSE(finish(run).stored);
  EXPECT_EQ(store->results().find(TaskId{"other"}).error().code, Errc::NotFound);
}

TEST_P(ResultStoreConformance, EndsWithATaskThoseWhoseTurnWillNotCome) {
  ASSERT_TRUE(store->outbox().accept(accepting(
      {a_task("t1"), a_task("pending"), a_task("running"), a_task("done")}, clock.wall())));
  const NamedTask running{TaskId{"running"}, "demo.add", QueueName{"mail"}};
  ASSERT_TRUE(store->results().begin({&running, 1}));
  ASSERT_TRUE(finish(a_success("done", 0, clock.wall())).stored);
  auto run = a_success("t1", 0, clock.wall());
  run.state = TaskState::Failure;
  run.result = R"({"exc_type": "ValueError"})";
  for (const char* const id : {"pending", "running", "done", "unknown"}) {
    run.fails_with_it.push_back({TaskId{id}, "demo.next", QueueName{"mail"}});
  }

  EXPECT_TRUE(finish(run).stored);

  const auto unknown = store->results().find(TaskId{"unknown"});
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->state, TaskState::Failure);
  EXPECT_EQ(unknown->result, run.result);
  EXPECT_EQ(unknown->name, "demo.next");
  EXPECT_EQ(unknown->done, run.done);
  EXPECT_EQ(store->results().find(TaskId{"pending"})->state, TaskState::Failure);
  EXPECT_EQ(store->results().find(TaskId{"running"})->state, TaskState::Pending);
  EXPECT_EQ(store->results().find(TaskId{"done"})->state, TaskState::Success);
  EXPECT_TRUE(look_up("unknown").final);
  EXPECT_EQ(store->results().finished_since(0, 10)->size(), 4U);
}

TEST_P(ResultStoreConformance, RefusesThatARetryIsFollowed) {
  auto run = a_retry("t1", 0, clock.wall());
  run.successors = {a_task("next")};
  const auto refused = store->results().finish({&run, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Invalid);
}

}  // namespace
}  // namespace umbel::testing
