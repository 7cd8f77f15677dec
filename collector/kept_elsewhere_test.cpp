// Ends that were not seen, learnt from where Celery's tasks keep their results.
#include "kept_elsewhere.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "fake_worker.hpp"
#include "http_session.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using testing::eventually;

// Holds the results of `ended` and `broken`.
class Kept final : public CallerResults {
 public:
  std::atomic<bool> out{false};
  std::atomic<bool> late{false};  // `lost` has ended too

  Result<FoundResult> find(const TaskId& id) override {
    if (out) return unavailable("out, says the test");
    if (id.str() == "broken") return invalid("cannot be read, says the test");
    if (id.str() != "ended" && !(late && id.str() == "lost")) return not_found("no such result");
    FoundResult found;
    found.result.id = id;
    found.result.state = TaskState::Failure;
    found.result.result = R"({"exc_type": "ValueError", "exc_message": ["boom"]})";
    found.result.traceback = "Traceback\n";
    found.result.done = from_micros(1'000'000);
    found.name = "proj.add";
    found.queue = "celery";
    found.worker = "celery@host";
    return found;
  }
  bool reaches(const CallerResult&) const override { return false; }
  Result<void> tell(std::span<const CallerResult>) override { return no(); }
  bool counts_chords() const override { return false; }
  Result<ChordReturn> chord_part(const ChordPart&) override { return no(); }
  Result<void> chord_ended(const std::string&) override { return no(); }
  Result<void> set_chord_size(const std::string&, std::uint64_t) override { return no(); }
  Result<void> save_group(const ResultTree&) override { return no(); }
  Result<void> ping() override { return {}; }

 private:
  static Error no() { return invalid("a monitor only reads"); }
};

TEST(KeptElsewhere, ReadsAResultAsIfTheStoreHadIt) {
  Kept kept;
  const auto found = find_elsewhere(&kept, TaskId{"ended"});
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->id, TaskId{"ended"});
  EXPECT_EQ(found->state, TaskState::Failure);
  EXPECT_EQ(found->name, "proj.add");
  EXPECT_EQ(found->queue.str(), "celery");
  EXPECT_EQ(found->worker, "celery@host");
  EXPECT_EQ(found->traceback, "Traceback\n");
  EXPECT_EQ(found->done, from_micros(1'000'000));
}

TEST(KeptElsewhere, TellsNothingThereFromNotKnownNow) {
  Kept kept;
  EXPECT_EQ(find_elsewhere(nullptr, TaskId{"a"}).error().code, Errc::NotFound);
  EXPECT_EQ(find_elsewhere(&kept, TaskId{"a"}).error().code, Errc::NotFound);
  EXPECT_EQ(find_elsewhere(&kept, TaskId{"broken"}).error().code, Errc::NotFound);
  kept.out = true;
  EXPECT_EQ(find_elsewhere(&kept, TaskId{"ended"}).error().code, Errc::Unavailable);
}

class KeptElsewhereSession : public CollectorSession {};

TEST_F(KeptElsewhereSession, AnEndThatWasNotSeenIsLearnt) {
  Kept kept;
  FakeWorker celery{*engines.broker, "celery@host"};
  celery.is_celery(2);
  const auto of = [](Event event) {
    auto& task = std::get<TaskEvent>(event);
    task.origin.hostname = "celery@host";
    task.origin.pid = 4711;
    return event;
  };
  const auto then = now() - std::chrono::seconds{60};
  engines.publish({of(received("ended", then)), of(started("ended", then)),
                   of(received("lost", then)), of(started("lost", then))});
  CollectorOptions options;
  options.kept_elsewhere = &kept;
  start(std::move(options));
  WorkerEvent beat;
  beat.type = WorkerEventType::Heartbeat;
  beat.origin.hostname = "celery@host";
  beat.origin.timestamp = now();
  beat.origin.pid = 4711;
  beat.freq = 60.0;
  engines.publish({beat});
  const auto task = [&](const std::string& id) {
    const auto answer = ask("/api/task/detail/" + id);
    return answer.status == 200 ? json::parse(answer.body).at("task").as_object() : json::object{};
  };
  const auto member = [&](const std::string& id, const char* name) {
    const auto known = task(id);
    const auto* value = known.if_contains(name);
    return value == nullptr ? json::value{} : *value;
  };
  EXPECT_TRUE(eventually([&] { return member("ended", "state") == "FAILURE"; }));
  EXPECT_EQ(member("ended", "exception"), "ValueError('boom')");
  EXPECT_TRUE(eventually([&] { return member("lost", "unknown_since").is_double(); }));
  // Its worker was at it still, and stores the result afterwards.
  kept.late = true;
  EXPECT_TRUE(eventually([&] {
    (void)ask("/api/workers?refresh=1");
    return member("lost", "state") == "FAILURE";
  }));
}

}  // namespace
}  // namespace umbel::collector
