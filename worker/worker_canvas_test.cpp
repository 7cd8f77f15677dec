// What follows a task in a worker: callbacks, chains, groups, chords, errbacks.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <mutex>

#include "stand.hpp"
#include "umbel/celery/chord_results.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Stand;
using ::testing::UnorderedElementsAre;

namespace json = boost::json;

std::int64_t add(TaskContext&, std::int64_t x, std::int64_t y) { return x + y; }
std::int64_t sum(TaskContext&, std::vector<std::int64_t> numbers) {
  std::int64_t total = 0;
  for (const auto number : numbers) total += number;
  return total;
}
std::int64_t fail(TaskContext&, const json::value&) { throw TaskError{"ValueError", "no"}; }

class WorkerCanvas : public ::testing::Test {
 protected:
  WorkerCanvas() {
    const TaskOptions here{.queue = QueueName{"umbel"}};
    stand.tasks.add("add", add, {"x", "y"}, here);
    stand.tasks.add("sum", sum, {"numbers"}, here);
    stand.tasks.add("fail", std::function<std::int64_t(TaskContext&, json::value)>{fail},
                    {{"what", nullptr}}, here);
    stand.tasks.add("note",
                    std::function<json::value(TaskContext&, json::value)>{
                        [this](TaskContext&, json::value value) {
                          const std::lock_guard lock{mutex};
                          noted.push_back(celery::to_json(value));
                          return value;
                        }},
                    {"value"}, here);
  }

  static celery::TaskMessage message(const std::string& task, const std::string& args,
                                     const std::string& embed) {
    celery::TaskMessage message;
    message.task = task;
    message.args = Stand::json(args).as_array();
    message.embed = Stand::json(embed).as_object();
    return message;
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock{mutex};
    return noted;
  }
  // What lies in a queue that nobody here consumes, read as tasks.
  std::vector<celery::TaskMessage> sent_to(const std::string& queue, std::size_t count) {
    auto consumer = stand.broker->consume({{QueueName{queue}}, 100, "peer@test"});
    std::vector<celery::TaskMessage> found;
    for (int i = 0; i < 50 && found.size() < count; ++i) {
      auto deliveries = (*consumer)->next(100, 200ms, {});
      for (const auto& delivery : *deliveries) {
        found.push_back(celery::decode_task(delivery.message).value());
      }
    }
    return found;
  }

  std::mutex mutex;
  std::vector<std::string> noted;
  Stand stand;
};

TEST_F(WorkerCanvas, RunsAChainToItsEndWithTheIdsThatItsProducerKnows) {
  const auto worker = stand.start();
  const auto first = stand.send(message("add", "[1, 2]", R"({"chain": [
      {"task": "add", "args": [100], "options": {"task_id": "last"}},
      {"task": "add", "args": [10], "options": {"task_id": "middle"}}]})"));

  EXPECT_EQ(stand.result_of(TaskId{"last"}).result, "113");
  EXPECT_EQ(stand.result_of(TaskId{"middle"}).result, "13");
  EXPECT_THAT(stand.result_of(first).children, ElementsAre(ResultTree{"middle"}));
  (void)stand.types_of(TaskId{"last"}, TaskEventType::Succeeded);
  const auto events = stand.events_of(TaskId{"last"});
  EXPECT_EQ(events[0].root_id, first.str());
  EXPECT_EQ(events[0].parent_id, "middle");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCanvas, GivesTheValueToCallbacksThoughItsCallerWantsNone) {
  const auto worker = stand.start();
  auto task = message("add", "[1, 2]", R"({"callbacks": [{"task": "note"}, {"task": "note"}]})");
  task.ignore_result = true;
  const auto id = stand.send(std::move(task));

  EXPECT_TRUE(eventually([&] { return notes().size() == 2; }));
  EXPECT_THAT(notes(), ElementsAre("3", "3"));
  EXPECT_EQ(stand.result_of(id).result, "null");
}

TEST_F(WorkerCanvas, CallsErrbacksAndFailsTheRestOfTheChain) {
  const auto worker = stand.start();
  const auto id = stand.send(message("fail", "[]", R"({
      "errbacks": [{"task": "note"}],
      "chain": [{"task": "add", "options": {"task_id": "second"}},
                {"task": "add", "options": {"task_id": "first"}}]})"));

  const auto failed = stand.result_of(id);
  EXPECT_TRUE(eventually([&] { return notes().size() == 1; }));
  EXPECT_THAT(notes(), ElementsAre("\"" + id.str() + "\""));
  for (const char* const follower : {"first", "second"}) {
    const auto task = stand.result_of(TaskId{follower});
    EXPECT_EQ(task.state, TaskState::Failure);
    EXPECT_EQ(task.result, failed.result);
    EXPECT_EQ(task.name, "add");
  }
  EXPECT_THAT(failed.children, SizeIs(1));
}

TEST_F(WorkerCanvas, RevokesTheRestOfAChainThatExpired) {
  const auto worker = stand.start();
  auto task = message("add", "[1, 2]", R"({"errbacks": [{"task": "note"}],
      "chain": [{"task": "add", "options": {"task_id": "next"}}]})");
  task.expires = stand.clock.wall() - 1h;
  (void)stand.send(std::move(task));

  const auto next = stand.result_of(TaskId{"next"});
  EXPECT_EQ(next.state, TaskState::Revoked);
  EXPECT_EQ(Stand::field(next, "exc_message"), "expired");
  EXPECT_THAT(notes(), IsEmpty()) << "Celery calls no errbacks of a revoked task";
}

TEST_F(WorkerCanvas, RevokesTheRestOfAChainThatWasRevokedInTheStore) {
  const auto id = stand.send(message("add", "[1, 2]", R"({
      "chain": [{"task": "add", "options": {"task_id": "b"}}, {"task": "add", "options": {"task_id": "a"}}]})"));
  const NamedTask task{id, "add", QueueName{"umbel"}};
  ASSERT_TRUE(stand.store.results().revoke({&task, 1}, "{}", stand.clock.wall()));

  const auto worker = stand.start();
  EXPECT_EQ(stand.result_of(TaskId{"a"}).state, TaskState::Revoked);
  EXPECT_EQ(stand.result_of(TaskId{"b"}).state, TaskState::Revoked);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCanvas, RunsTheBodyOfAChordWithTheResultsInOrder) {
  const auto worker = stand.start();
  // chain(add(1, 2), group(add(10), add(20), chain(add(30), add(1))), sum, add(1000))
  (void)stand.send(message("add", "[1, 2]", R"({"chain": [
    {"task": "add", "args": [1000], "options": {"task_id": "end"}},
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "body"}, "kwargs": {
      "header": {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [
        {"task": "add", "args": [10]}, {"task": "add", "args": [20]},
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [
          {"task": "add", "args": [30]}, {"task": "add", "args": [1]}]}}]}},
      "body": {"task": "sum"}}}]})"));

  EXPECT_EQ(stand.result_of(TaskId{"end"}).result, "1070");
  EXPECT_EQ(stand.result_of(TaskId{"body"}).result, "70");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCanvas, FailsTheBodyOfAChordWhoseHeaderFailed) {
  const auto worker = stand.start();
  (void)stand.send(message("add", "[1, 2]", R"({"chain": [
    {"task": "add", "args": [1], "options": {"task_id": "end"}},
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "body"}, "kwargs": {
      "header": [{"task": "fail", "options": {"task_id": "bad"}}, {"task": "add", "args": [1]}],
      "body": {"task": "sum", "options": {"link_error": [{"task": "note"}]}}}}]})"));

  const auto body = stand.result_of(TaskId{"body"});
  EXPECT_EQ(body.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(body, "exc_type"), "ChordError");
  EXPECT_EQ(Stand::field(body, "exc_message"), "Dependency bad raised ValueError('no')");
  EXPECT_EQ(stand.result_of(TaskId{"end"}).state, TaskState::Failure);
  EXPECT_TRUE(eventually([&] { return notes().size() == 1; }));
  EXPECT_THAT(notes(), ElementsAre("\"body\""));
}

TEST_F(WorkerCanvas, RunsAChordInTheHeaderOfAChord) {
  const auto worker = stand.start();
  (void)stand.send(message("add", "[0, 1]", R"({"callbacks": [
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "outer"}, "kwargs": {
      "header": [{"task": "add", "args": [5]},
        {"task": "celery.chord", "subtask_type": "chord", "kwargs": {
          "header": [{"task": "add", "args": [1]}, {"task": "add", "args": [2]}],
          "body": {"task": "sum"}}}],
      "body": {"task": "sum"}}}]})"));
  EXPECT_EQ(stand.result_of(TaskId{"outer"}).result, "11");
}

TEST_F(WorkerCanvas, SendsTasksOfOthersToTheirQueues) {
  stand.options.default_queue = QueueName{"python"};
  const auto worker = stand.start();
  CatalogueEntry elsewhere;
  elsewhere.name = "known.elsewhere";
  elsewhere.queue = QueueName{"other"};
  ASSERT_TRUE(stand.store.catalogue().upsert({&elsewhere, 1}, stand.clock.wall()));
  auto task = message("add", "[1, 2]", R"({"callbacks": [
      {"task": "py.task", "options": {"reply_to": "r"}}, {"task": "known.elsewhere"},
      {"task": "py.other", "options": {"queue": "named"}}]})");
  task.reply_to = "caller";
  task.extra_headers["stamped_headers"] = json::array{"mon"};
  task.extra_headers["stamps"] = json::object{{"mon", "m1"}};
  const auto id = stand.send(std::move(task));

  const auto python = sent_to("python", 1);
  ASSERT_THAT(python, SizeIs(1));
  EXPECT_EQ(python[0].task, "py.task");
  EXPECT_EQ(python[0].args, json::array{3});
  EXPECT_EQ(python[0].root_id, id.str());
  EXPECT_EQ(python[0].parent_id, id.str());
  EXPECT_EQ(python[0].reply_to, "r");
  EXPECT_EQ(python[0].extra_headers.at("stamps"), (json::object{{"mon", "m1"}}));
  const auto other = sent_to("other", 1);
  ASSERT_THAT(other, SizeIs(1));
  EXPECT_EQ(other[0].reply_to, "caller");
  EXPECT_THAT(sent_to("named", 1), SizeIs(1));
  EXPECT_EQ(stand.find(python[0].id)->queue.str(), "python") << "accepted in our store";
}

TEST_F(WorkerCanvas, MakesNoSecondSetWhenTheParentComesAgain) {
  const auto task = message("add", "[1, 2]", R"({"callbacks": [{"task": "note"}]})");
  auto copy = task;
  copy.id = new_task_id();
  const auto id = copy.id;
  const auto worker = stand.start();
  (void)stand.send(copy);
  EXPECT_TRUE(eventually([&] { return notes().size() == 1; }));
  (void)stand.send(copy);
  (void)stand.result_of(stand.send(message("add", "[1, 1]", "{}")));
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(notes(), SizeIs(1));
  EXPECT_THAT(stand.result_of(id).children, SizeIs(1));
}

TEST_F(WorkerCanvas, CarriesWhatFollowsThroughARetry) {
  std::atomic<int> runs{0};
  TaskOptions twice{.queue = QueueName{"umbel"}};
  twice.retry.max_retries = 3;
  twice.retry.first_delay = 1ms;
  stand.tasks.add("twice",
                  std::function<std::int64_t(TaskContext&)>{[&](TaskContext&) -> std::int64_t {
                    if (++runs < 3) throw TaskError{"ValueError", "not yet"};
                    return 7;
                  }},
                  {}, twice);
  const auto worker = stand.start();
  auto task =
      message("twice", "[]", R"({"chain": [{"task": "note", "options": {"task_id": "n"}}]})");
  task.reply_to = "caller";
  task.extra_headers["stamped_headers"] = json::array{"mon"};
  task.extra_headers["stamps"] = json::object{{"mon", 1}};
  (void)stand.send(std::move(task));
  EXPECT_EQ(stand.result_of(TaskId{"n"}).result, "7");
  EXPECT_EQ(runs, 3);
}

TEST_F(WorkerCanvas, NamesWhatItsTasksSpawnedAndStampsIt) {
  stand.tasks.add("spawn", std::function<std::string(TaskContext&)>{[](TaskContext& context) {
                    TaskRequest request;
                    request.name = "add";
                    request.args = "[1, 1]";
                    return context.spawn({request})->at(0).id.str();
                  }},
                  {}, {.queue = QueueName{"umbel"}});
  const auto worker = stand.start();
  auto task = message("spawn", "[]", "{}");
  task.extra_headers["stamped_headers"] = json::array{"mon"};
  task.extra_headers["stamps"] = json::object{{"mon", 1}};
  const auto done = stand.result_of(stand.send(std::move(task)));
  ASSERT_THAT(done.children, SizeIs(1));
  EXPECT_EQ(done.result, "\"" + done.children[0].id + "\"");
}

TEST_F(WorkerCanvas, RefusesAMalformedCanvasBeforeItRuns) {
  const auto worker = stand.start();
  const auto id = stand.send(message(
      "note", "[1]", R"({"chain": [{"task": "add", "options": {"link": [{"task": 5}]}}]})"));
  const auto task = stand.result_of(id);
  EXPECT_EQ(Stand::field(task, "exc_type"), "InvalidTaskError");
  EXPECT_EQ(Stand::field(task, "exc_message"),
            "chain[0].options.link[0].task is the number 5 (allowed: a string)");
  EXPECT_THAT(notes(), IsEmpty());
}

TEST_F(WorkerCanvas, FailsATaskThatCannotBeFollowed) {
  stand.tasks.add("deep", std::function<json::value(TaskContext&)>{[](TaskContext&) {
                    json::value value = 1;
                    for (int i = 0; i < 62; ++i) value = json::array{value, 0};
                    return value;
                  }},
                  {}, {.queue = QueueName{"umbel"}});
  const auto worker = stand.start();
  const auto id = stand.send(message(
      "deep", "[]", R"({"callbacks": [{"task": "note"}], "errbacks": [{"task": "note"}]})"));
  const auto task = stand.result_of(id);
  EXPECT_EQ(task.state, TaskState::Failure);
  EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr("nested deeper than 64"));
  EXPECT_TRUE(eventually([&] { return notes().size() == 1; }));
  EXPECT_THAT(notes(), ElementsAre("\"" + id.str() + "\""));
}

struct BuiltIn {
  const char* name;
  const char* args;
  const char* kwargs;
  const char* result;  // or a part of the failure
};

TEST_F(WorkerCanvas, HasTheTasksThatEveryCeleryWorkerHas) {
  const auto worker = stand.start();
  const BuiltIn cases[] = {
      {"celery.map", "[]", R"({"task": {"task": "sum"}, "it": [[1, 2], [3]]})", "[3, 3]"},
      {"celery.starmap", "[]", R"({"task": {"task": "add"}, "it": [[1, 2], [3, 4]]})", "[3, 7]"},
      {"celery.accumulate", "[1, 2]", "{}", "[1, 2]"},
      {"celery.accumulate", "[1, 2]", R"({"index": -1})", "2"},
      {"celery.backend_cleanup", "[]", "{}", "null"},
      {"celery.map", "[]", R"({"task": {"task": "py.one"}, "it": [1]})", "NotRegistered"},
      {"celery.map", "[]", R"({"task": {"task": "fail"}, "it": [1]})", "ValueError"},
      {"celery.starmap", "[]", R"({"task": {"task": "add"}, "it": [1]})", "element 0 of 'it'"},
      {"celery.accumulate", "[1]", R"({"index": 1})", "IndexError"},
      {"celery.chain", "[]", "{}", "chain is not a real task"},
      {"celery.group", "[]", R"({"tasks": [{"args": []}]})", "has no task name"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const auto task = stand.result_of(stand.send(each.name, each.args, each.kwargs));
    EXPECT_THAT(task.result, HasSubstr(each.result));
  }
  for (const auto& entry : stand.store.catalogue().all().value()) {
    EXPECT_FALSE(entry.name.starts_with("celery.")) << "they are not told of";
  }
}

TEST_F(WorkerCanvas, AppliesGroupsChordsAndChunksThatComeAsTasks) {
  const auto worker = stand.start();
  const auto group = stand.result_of(stand.send("celery.group", "[]", R"({"group_id": "g",
      "tasks": [{"task": "add", "args": [2], "options": {"task_id": "m"}}], "partial_args": [1]})"));
  EXPECT_EQ(group.result, R"([["g", null], [[["m", null], null]]])");
  EXPECT_EQ(stand.result_of(TaskId{"m"}).result, "3");
  EXPECT_THAT(group.children, SizeIs(1));

  (void)stand.send("celery.chord", "[]", R"({"header": [{"task": "add", "args": [1, 2]}],
      "body": {"task": "sum", "options": {"task_id": "cb"}}})");
  EXPECT_EQ(stand.result_of(TaskId{"cb"}).result, "3");

  const auto chunks = stand.result_of(
      stand.send("celery.chunks", "[]",
                 R"({"task": {"task": "add"}, "it": [[1, 1], [2, 2], [3, 3]], "n": 2})"));
  ASSERT_THAT(chunks.children, SizeIs(1));
  ASSERT_THAT(chunks.children[0].members, SizeIs(2));
  EXPECT_EQ(stand.result_of(TaskId{chunks.children[0].members[0].id}).result, "[2, 4]");
  EXPECT_EQ(stand.result_of(TaskId{chunks.children[0].members[1].id}).result, "[6]");
}

TEST_F(WorkerCanvas, UnlocksAChordOfAPythonProducer) {
  const auto worker = stand.start();
  // As a producer with a database backend sends it: the unlocking task first.
  (void)stand.send(
      "celery.chord_unlock",
      R"(["gid", {"task": "sum", "args": [], "kwargs": {}, "options": {"task_id": "b"}, "subtask_type": null, "immutable": false}])",
      R"({"interval": null, "max_retries": null, "result": [[["one", null], null], [["two", null], null]]})");
  auto part =
      message("add", "[1, 2]", R"({"chord": {"task": "sum", "options": {"task_id": "b"}}})");
  part.group = "gid";
  part.id = TaskId{"one"};
  (void)stand.send(part);
  (void)stand.result_of(TaskId{"one"});
  part.id = TaskId{"two"};
  (void)stand.send(part);
  EXPECT_EQ(stand.result_of(TaskId{"b"}).result, "6");
}

TEST_F(WorkerCanvas, LooksAtAChordAtOnceWhenItsLastOpenPartEndsHere) {
  const auto worker = stand.start();
  const char* const body = R"({"task": "sum", "options": {"task_id": "b"}})";
  const auto send_part = [&](const char* id) {
    auto part = message("add", "[1, 2]", R"({"chord": {"task": "sum"}})");
    part.group = "gid";
    part.id = TaskId{id};
    (void)stand.send(part);
  };
  send_part("one");
  (void)stand.result_of(TaskId{"one"});
  // Its next look would be the last that anybody here waits for.
  (void)stand.send("celery.chord_unlock", "[\"gid\", " + std::string{body} + "]",
                   R"({"interval": 3600, "max_retries": null,
                       "result": [[["one", null], null], [["two", null], null]]})");
  ASSERT_TRUE(eventually([&] {
    return !stand.lines("1 of 2 tasks of the header have not ended").empty() ||
           stand.queue().delayed.value_or(0) > 0;
  }));
  send_part("two");
  EXPECT_EQ(stand.result_of(TaskId{"b"}).result, "6");
}

// Counts chords as Redis does, in memory.
class CountingCallers final : public CallerResults {
 public:
  bool reaches(const CallerResult&) const override { return true; }
  Result<void> tell(std::span<const CallerResult> results) override {
    const std::lock_guard lock{mutex_};
    for (const auto& result : results) told_[result.id.str()] = result;
    return {};
  }
  Result<FoundResult> find(const TaskId& id) override { return not_found(id.str()); }
  bool counts_chords() const override { return true; }
  Result<ChordReturn> chord_part(const ChordPart& part) override {
    const std::lock_guard lock{mutex_};
    auto& chord = chords_[part.group];
    chord.parts[{part.index.value_or(1000), part.id.str()}] = celery::encode_chord_part(part);
    if (chord.size == 0 || chord.parts.size() < chord.size) return ChordReturn{};
    std::vector<std::string> parts;
    for (const auto& [place, text] : chord.parts) parts.push_back(text);
    return celery::join_chord(parts);
  }
  Result<void> chord_ended(const std::string& group) override {
    const std::lock_guard lock{mutex_};
    chords_.erase(group);
    return {};
  }
  Result<void> set_chord_size(const std::string& group, std::uint64_t size) override {
    const std::lock_guard lock{mutex_};
    if (never) return invalid("never, says the test");
    if (out || refusals > 0) {
      if (refusals > 0) --refusals;
      ++refused;
      return unavailable("out, says the test");
    }
    chords_[group].size = size;
    return {};
  }
  Result<void> save_group(const ResultTree&) override { return {}; }
  Result<void> ping() override { return {}; }

  std::optional<CallerResult> told(const std::string& id) const {
    const std::lock_guard lock{mutex_};
    const auto found = told_.find(id);
    return found == told_.end() ? std::nullopt : std::optional{found->second};
  }
  int refusals = 0;                            // of the calls to come
  std::atomic<bool> out{false}, never{false};  // of all that tell a size
  std::atomic<int> refused{0};

 private:
  struct Chord {
    std::uint64_t size = 0;
    std::map<std::pair<std::int64_t, std::string>, std::string> parts;
  };
  mutable std::mutex mutex_;
  std::map<std::string, CallerResult> told_;
  std::map<std::string, Chord> chords_;
};

class WorkerCountedChords : public WorkerCanvas {
 protected:
  WorkerCountedChords() { stand.options.callers = &callers; }
  CallerResult told(const std::string& id) {
    EXPECT_TRUE(eventually([&] { return callers.told(id).has_value(); })) << id;
    return callers.told(id).value_or(CallerResult{});
  }
  CountingCallers callers;
};

TEST_F(WorkerCountedChords, RunTheirBodyWhenTheLastPartEnds) {
  callers.refusals = 2;
  const auto worker = stand.start();
  (void)stand.send(message("add", "[1, 2]", R"({"chain": [
    {"task": "add", "args": [1000], "options": {"task_id": "end"}},
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "body"}, "kwargs": {
      "header": [{"task": "add", "args": [10]}, {"task": "add", "args": [20]},
        {"task": "celery.chord", "subtask_type": "chord", "kwargs": {
          "header": [{"task": "add", "args": [1]}, {"task": "add", "args": [2]}],
          "body": {"task": "sum"}}}],
      "body": {"task": "sum"}}}]})"));

  EXPECT_EQ(stand.result_of(TaskId{"end"}).result, "1045");
  EXPECT_EQ(told("body").result, "45");
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

constexpr const char* kThenAChord = R"({"chain": [
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "body"}, "kwargs": {
      "header": [{"task": "add", "args": [10]}, {"task": "add", "args": [20]}],
      "body": {"task": "sum"}}}]})";

TEST_F(WorkerCountedChords, WaitForThePlaceThatCountsThemAndNeitherFailNorHoldASlot) {
  callers.out = true;
  stand.options.concurrency = 1;
  const auto worker = stand.start();
  const auto first = stand.send(message("add", "[1, 2]", kThenAChord));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1; }));
  // The slot is free for others.
  EXPECT_EQ(stand.result_of(stand.send("add", "[1, 1]")).result, "2");
  ASSERT_TRUE(eventually([&] { return callers.refused >= 3; }));
  const auto waiting = stand.find(first);
  EXPECT_FALSE(waiting && is_final(waiting->state)) << "nothing may be stored without the chord";
  EXPECT_EQ(stand.queue().unacked, 1U);
  callers.out = false;
  EXPECT_EQ(told("body").result, "36");
  EXPECT_EQ(stand.result_of(first).state, TaskState::Success);
  EXPECT_EQ(stand.result_of(first).run, 0);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST_F(WorkerCountedChords, GoBackToTheirQueueWhenTheWorkerStopsBeforeTheyAreCounted) {
  callers.out = true;
  stand.options.stop_soft = 200ms;
  stand.options.stop_hard = 400ms;
  auto worker = stand.start();
  const auto first = stand.send(message("add", "[1, 2]", kThenAChord));
  ASSERT_TRUE(eventually([&] { return callers.refused >= 1; }));
  worker->stop();
  worker.reset();
  EXPECT_EQ(stand.queue().ready, 1U);
  callers.out = false;
  worker = stand.start();
  EXPECT_EQ(told("body").result, "36");
  EXPECT_EQ(stand.result_of(first).state, TaskState::Success);
}

TEST_F(WorkerCountedChords, ThatAreRefusedForGoodFailTheTaskThatStartsThem) {
  callers.never = true;
  const auto worker = stand.start();
  const auto first = stand.result_of(stand.send(message("add", "[1, 2]", kThenAChord)));
  EXPECT_EQ(first.state, TaskState::Failure);
  EXPECT_THAT(Stand::field(first, "exc_message"),
              HasSubstr("the chord that follows it could not be counted: never"));
  // A failure ends without the errbacks that cannot be called.
  const auto second = stand.result_of(stand.send(message("fail", "[]", R"({"errbacks": [
    {"task": "celery.chord", "subtask_type": "chord", "kwargs": {
      "header": [{"task": "note"}, {"task": "note"}], "body": {"task": "note"}}}]})")));
  EXPECT_EQ(Stand::field(second, "exc_type"), "ValueError");
  EXPECT_THAT(stand.lines("errbacks not called"), SizeIs(1));
  EXPECT_THAT(second.children, IsEmpty());
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(notes(), IsEmpty());
}

TEST_F(WorkerCountedChords, FailTogetherWithTheChordAroundThem) {
  const auto worker = stand.start();
  // The inner chord's body is a part of the outer one, and never runs.
  (void)stand.send(message("add", "[1, 2]", R"({"chain": [
    {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "outer"}, "kwargs": {
      "header": [{"task": "add", "args": [1]},
        {"task": "celery.chord", "subtask_type": "chord", "options": {"task_id": "inner"}, "kwargs": {
          "header": [{"task": "fail"}, {"task": "add", "args": [2]}],
          "body": {"task": "sum"}}}],
      "body": {"task": "sum", "options": {"link_error": [{"task": "note"}]}}}}]})"));

  const auto outer = stand.result_of(TaskId{"outer"});
  EXPECT_EQ(outer.state, TaskState::Failure);
  EXPECT_EQ(Stand::field(outer, "exc_type"), "ChordError");
  EXPECT_THAT(Stand::field(outer, "exc_message"), HasSubstr("Dependency inner raised"));
  EXPECT_EQ(told("outer").state, TaskState::Failure);
  EXPECT_EQ(told("inner").state, TaskState::Failure);
  EXPECT_TRUE(eventually([&] { return notes().size() == 1; }));
}

TEST_F(WorkerCountedChords, FailWhenAChainInTheirHeaderBreaks) {
  const auto worker = stand.start();
  auto part = message("fail", "[]", R"({"chain": [
      {"task": "add", "options": {"task_id": "last", "group_id": "g", "group_index": 0,
       "chord": {"task": "sum", "options": {"task_id": "body"}}}}]})");
  ASSERT_TRUE(callers.set_chord_size("g", 1));
  (void)stand.send(part);
  EXPECT_EQ(Stand::field(stand.result_of(TaskId{"body"}), "exc_message"),
            "Dependency last raised ValueError('no')");
  EXPECT_EQ(told("last").state, TaskState::Failure);
  EXPECT_EQ(told("body").state, TaskState::Failure);
}

}  // namespace
}  // namespace umbel
