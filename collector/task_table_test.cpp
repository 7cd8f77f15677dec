#include "task_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "name_pool.hpp"

namespace umbel::collector {
namespace {

std::string uuid(std::uint64_t n) { return uuid_text({.high = n * 7919, .low = n}); }

Task a_task(const std::string& id, TaskState state = TaskState::Received) {
  Task task;
  task.uuid = TaskId{id};
  task.state = state;
  task.name = "demo.add";
  task.worker = "w1@host";
  return task;
}

std::vector<std::string> ids(const TaskTable& table) {
  std::vector<std::string> all;
  table.each([&](const Task& task, std::uint64_t) {
    all.push_back(task.uuid.str());
    return true;
  });
  return all;
}

TEST(SmallIdTest, OnlyCanonicalUuidsBecomeSmall) {
  const std::string text = "0f8b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3";
  ASSERT_TRUE(uuid_from(text).has_value());
  EXPECT_EQ(uuid_text(*uuid_from(text)), text);
  for (const char* other :
       {"", "a", "0F8B1C2D-3E4F-4A5B-8C6D-7E8F90A1B2C3", "0f8b1c2d3e4f-4a5b-8c6d-7e8f90a1b2c3-",
        "0f8b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2cg"}) {
    EXPECT_FALSE(uuid_from(other).has_value()) << other;
  }
}

TEST(TaskTableTest, ATaskComesBackAsItWasPut) {
  TaskTable table{{}};
  const auto at = [](std::int64_t micros) { return from_micros(1'795'350'738'000'000 + micros); };
  Task full = a_task(uuid(1), TaskState::Custom);
  full.custom_state = "PROGRESS";
  full.sent = at(0);
  full.received = at(1);
  full.started = at(2);
  full.succeeded = at(3);
  full.failed = at(4);
  full.retried = at(5);
  full.revoked = at(6);
  full.rejected = at(-7);
  full.args = "(1,)";
  full.kwargs = "";
  full.eta = "2026-11-22T12:00:00";
  full.expires = "2026-11-23T12:00:00";
  full.retries = 3;
  full.client = "gen1@host";
  full.result = "'x'";
  full.exception = "ValueError()";
  full.traceback = "Traceback";
  full.runtime = 0.25;
  full.timestamp = at(9);
  full.queue = "";
  full.exchange = "ex";
  full.routing_key = "key";
  full.clock = 12;
  full.root_id = uuid(1);
  full.parent_id = "no uuid";
  full.starts = 2;
  full.started_by = "w1@host";
  Task sparse;
  sparse.uuid = TaskId{"any text may be an id"};

  table.put(full);
  table.put(sparse);

  EXPECT_EQ(table.find(full.uuid), full);
  EXPECT_EQ(table.find(sparse.uuid), sparse);
  EXPECT_FALSE(table.find(TaskId{uuid(2)}).has_value());
  EXPECT_FALSE(table.find(TaskId{"unknown"}).has_value());
}

TEST(TaskTableTest, LetsGoOfFinishedTasksFirstThenOfTheOldestUnfinished) {
  TaskTable table{{.tasks = 3}};
  table.put(a_task("old"));
  table.put(a_task("done", TaskState::Success));
  table.put(a_task("b"));

  EXPECT_EQ(table.put(a_task("c")), 1U);
  EXPECT_EQ(ids(table), (std::vector<std::string>{"c", "b", "old"}));
  EXPECT_EQ(table.evicted_unfinished(), 0U);
  EXPECT_EQ(table.put(a_task("d")), 1U);
  EXPECT_EQ(ids(table), (std::vector<std::string>{"d", "c", "b"}));
  EXPECT_EQ(table.evicted(), 2U);
  EXPECT_EQ(table.evicted_unfinished(), 1U);
  EXPECT_EQ(table.in_state(TaskState::Received), 4U) << "the one that had to go still counts";
  EXPECT_EQ(table.in_state(TaskState::Success), 0U);
}

// Against the same tasks in a table that holds them all.
TEST(TaskTableTest, UnfinishedTasksThatHadToGoStillCountInTheirState) {
  constexpr std::array kStates{TaskState::Received, TaskState::Started, TaskState::Retry,
                               TaskState::Success};
  std::mt19937 random{20261122};
  TaskTable small{{.tasks = 20, .with_texts = 10}};
  TaskTable large{{.tasks = 1000, .with_texts = 10}};
  for (int i = 0; i < 20'000; ++i) {
    const auto n = random() % 100;
    const std::string id = n % 3 == 0 ? "task " + std::to_string(n) : uuid(n);
    const Task task = a_task(id, kStates[random() % kStates.size()]);
    if (!small.contains(task.uuid)) {  // as the live state does with what the history says
      if (const auto before = large.find(task.uuid); before && !small.stub(task.uuid))
        small.back_from_absence(*before);
    }
    small.put(task);
    large.put(task);
    for (const TaskState state : {TaskState::Received, TaskState::Started, TaskState::Retry})
      ASSERT_EQ(small.in_state(state), large.in_state(state)) << i;
    ASSERT_LE(small.stubs(), 20U);
  }
  EXPECT_GT(small.stubs(), 0U);
  EXPECT_GT(small.evicted_unfinished(), 100U);
  small.clear();
  EXPECT_EQ(small.in_state(TaskState::Started), 0U);
  EXPECT_EQ(small.size(), 0U);
}

TEST(TaskTableTest, KnowsWhatRunsOnAWorker) {
  TaskTable table{{.tasks = 2}};
  const auto on = [](const std::string& id, TaskState state, const std::string& worker) {
    Task task = a_task(id, state);
    task.worker = worker;
    return task;
  };
  table.put(on("a", TaskState::Started, "w1"));
  table.put(on("b", TaskState::Started, "w1"));
  EXPECT_EQ(table.running_on("w1"), 2U);

  table.put(on("a", TaskState::Started, "w2"));
  table.put(on("b", TaskState::Success, "w1"));
  EXPECT_EQ(table.running_on("w1"), 0U);
  EXPECT_EQ(table.running_on("w2"), 1U);
  EXPECT_EQ(table.running_on("nobody"), 0U);
}

TEST(TaskTableTest, KnowsWhatRunsWhereAndWhatWaitsByName) {
  TaskTable table{{.tasks = 3}};
  const auto in = [](const std::string& id, TaskState state, const std::string& name) {
    Task task = a_task(id, state);
    task.name = name;
    task.queue = "umbel";
    return task;
  };
  const auto pairs = [](const auto& each) {
    std::map<std::string, std::uint64_t> all;
    each([&](const std::string& of, const std::string& name, std::uint64_t tasks) {
      all[of + " " + name] = tasks;
    });
    return all;
  };
  const auto running = [&] { return pairs([&](auto visit) { table.each_running(visit); }); };
  const auto waiting = [&] { return pairs([&](auto visit) { table.each_waiting(visit); }); };
  using Expected = std::map<std::string, std::uint64_t>;
  table.put(in("a", TaskState::Received, "add"));
  table.put(in("b", TaskState::Retry, "add"));
  table.put(in("c", TaskState::Started, "sleep"));
  EXPECT_EQ(waiting(), (Expected{{"umbel add", 2}}));
  EXPECT_EQ(running(), (Expected{{"w1@host sleep", 1}}));
  ASSERT_EQ(table.oldest({.running = false, .queue = "umbel"}, 10).size(), 2U);
  EXPECT_EQ(table.oldest({.running = false, .queue = "umbel"}, 1)[0].uuid, TaskId{"a"});
  EXPECT_TRUE(table.oldest({.running = false, .queue = "nope"}, 10).empty());
  EXPECT_EQ(table.oldest({.running = true, .worker = "w1@host"}, 10)[0].uuid, TaskId{"c"});

  EXPECT_EQ(table.oldest_by_queue(10), (std::map<std::string, TaskId>{{"umbel", TaskId{"a"}}}));
  EXPECT_TRUE(table.oldest_by_queue(0).empty());

  table.put(in("a", TaskState::Started, "add"));
  table.put(in("b", TaskState::Rejected, "add"));
  table.put(in("c", TaskState::Success, "sleep"));
  EXPECT_EQ(waiting(), Expected{});
  EXPECT_EQ(running(), (Expected{{"w1@host add", 1}}));
  table.clear();
  EXPECT_EQ(running(), Expected{});
}

// Against a plain map, with ids of both kinds, in an order that a seed decides.
TEST(TaskTableTest, KnowsExactlyWhatAMapKnows) {
  std::mt19937 random{20261122};
  TaskTable table{{.tasks = 300, .with_texts = 1000}};
  std::map<std::string, std::pair<Task, std::uint64_t>> model;
  for (int i = 0; i < 20'000; ++i) {
    const auto n = random() % 600;
    Task task = a_task(n % 3 == 0 ? "task " + std::to_string(n) : uuid(n),
                       random() % 2 == 0 ? TaskState::Started : TaskState::Success);
    task.name = "name " + std::to_string(random() % 5);
    task.starts = i;
    if (!model.contains(task.uuid.str()) && model.size() == 300) {
      auto victim = model.end();
      for (auto each = model.begin(); each != model.end(); ++each) {
        const auto key = [](const auto& item) {
          return std::pair{!is_final(item.second.first.state), item.second.second};
        };
        if (victim == model.end() || key(*each) < key(*victim)) victim = each;
      }
      model.erase(victim);
    }
    model[task.uuid.str()] = {task, static_cast<std::uint64_t>(i)};
    table.put(task);
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [id, known] : model) EXPECT_EQ(table.find(TaskId{id}), known.first) << id;
  const auto all = ids(table);
  ASSERT_EQ(all.size(), model.size());
  for (std::size_t i = 1; i < all.size(); ++i)
    EXPECT_GT(model[all[i - 1]].second, model[all[i]].second);
}

TEST(TaskTableTest, HoldsTheTextsOfTheLastOnesOnly) {
  TaskTable table{{.tasks = 1000, .with_texts = 10}};
  for (std::uint64_t i = 0; i < 500; ++i) {
    Task task = a_task(uuid(i));
    task.args = "(1,)";
    table.put(task);
  }

  EXPECT_EQ(table.find(TaskId{uuid(499)})->args, "(1,)");
  EXPECT_FALSE(table.find(TaskId{uuid(400)})->args.has_value());
  EXPECT_EQ(table.find(TaskId{uuid(400)})->name, "demo.add");
}

TEST(TaskTableTest, LargeTextsAreBoundedByTheirBytes) {
  TaskTable table{{.tasks = 1000, .with_texts = 1000, .text_bytes = 100'000}};
  for (std::uint64_t i = 0; i < 500; ++i) {
    Task task = a_task(uuid(i));
    task.traceback = std::string(10'000, 'x');
    table.put(task);
  }

  EXPECT_TRUE(table.find(TaskId{uuid(499)})->traceback.has_value());
  EXPECT_LT(table.bytes(), 1'000'000U);
}

TEST(TaskTableTest, TakesLessThanThreeHundredBytesForATask) {
  constexpr std::uint64_t kTasks = 50'000;
  TaskTable table{{.tasks = kTasks, .with_texts = 1000}};
  for (std::uint64_t i = 0; i < kTasks; ++i) {
    Task task = a_task(uuid(i), TaskState::Success);
    task.name = "task " + std::to_string(i % 100);
    task.args = std::string(200, 'a');
    task.result = std::string(200, 'r');
    task.root_id = uuid(i);
    table.put(task);
  }

  EXPECT_LT(table.bytes() / kTasks, 300U);
}

TEST(TaskTableTest, FedWithoutEndItDoesNotGrow) {
  TaskTable table{{.tasks = 2'000, .with_texts = 100}};
  const auto feed = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i < to; ++i) {
      Task task = a_task(i % 2 == 0 ? uuid(i) : "id " + std::to_string(i));
      task.name = "name " + std::to_string(i);
      task.worker = "worker" + std::to_string(i) + "@host";
      task.parent_id = "parent " + std::to_string(i);
      task.args = "(1,)";
      table.put(task);
    }
  };
  feed(0, 10'000);
  const std::size_t before = table.bytes();
  feed(10'000, 60'000);

  EXPECT_LT(table.bytes(), before + before / 10);
  EXPECT_EQ(table.size(), 2'000U);
}

TEST(NamePoolTest, KeepsATextAsLongAsSomebodyUsesIt) {
  NamePool pool;
  const auto first = pool.take("a");
  EXPECT_EQ(pool.take("a"), first);
  const auto other = pool.take("b");
  pool.give_back(first);
  EXPECT_EQ(pool.find("a"), first);
  pool.give_back(first);

  EXPECT_EQ(pool.find("a"), NamePool::kNone);
  EXPECT_EQ(pool.text(other), "b");
  EXPECT_EQ(pool.take("c"), first) << "the place is used again";
  EXPECT_EQ(pool.size(), 2U);
}

}  // namespace
}  // namespace umbel::collector
