// The frames between a worker and its task processes, and when a process is started and replaced:
// no process takes part.
#include <gmock/gmock.h>

#include "prefork/frames.hpp"
#include "prefork/start_plan.hpp"
#include "prefork/task_set.hpp"

namespace umbel::prefork {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// Written, cut in two at every place, read, and written again.
template <class T>
T round_trip(const T& frame) {
  const auto bytes = encode(frame).value();
  std::optional<Frame> read;
  for (std::size_t cut = 0; cut <= bytes.size();
       cut += std::max<std::size_t>(1, bytes.size() / 50)) {
    FrameReader reader;
    reader.feed(std::string_view{bytes}.substr(0, cut));
    auto first = reader.next().value();
    EXPECT_EQ(first.has_value(), cut == bytes.size());
    reader.feed(std::string_view{bytes}.substr(cut));
    if (!first) first = reader.next().value();
    EXPECT_TRUE(first.has_value());
    EXPECT_FALSE(reader.next().value().has_value());
    EXPECT_EQ(encode(first.value()).value(), bytes) << "cut at " << cut;
    read = std::move(first);
  }
  return std::get<T>(read.value());
}

TEST(PreforkFrames, CarryARun) {
  const prefork::Run run{7, "add", "an id", 3, "[1, NaN]", R"({"x": "\u00e9"})", true};
  const auto read = round_trip(run);
  EXPECT_EQ(read.job, 7U);
  EXPECT_EQ(read.name, "add");
  EXPECT_EQ(read.id, "an id");
  EXPECT_EQ(read.retries, 3);
  EXPECT_EQ(read.args, "[1, NaN]");
  EXPECT_EQ(read.kwargs, R"({"x": "\u00e9"})");
  EXPECT_TRUE(read.ignore_result);
}

TEST(PreforkFrames, CarryWhatARunEndsIn) {
  Ending ending;
  ending.python = "[NaN]";
  ending.state = TaskState::Failure;
  ending.result = "{}";
  ending.traceback = "t";
  ending.shown = "s";
  ending.message = "m";
  ending.retry_in = 5ms;
  ending.postponed = ending.expired = true;
  ending.signal = 9;
  const auto done = round_trip(Done{2, ending});
  EXPECT_EQ(done.job, 2U);
  EXPECT_EQ(done.ending.state, TaskState::Failure);
  EXPECT_EQ(done.ending.python, "[NaN]");
  EXPECT_EQ(done.ending.retry_in, 5ms);
  EXPECT_EQ(done.ending.signal, 9);
  for (const auto state : {TaskState::Success, TaskState::Retry, TaskState::Revoked}) {
    ending.state = state;
    EXPECT_EQ(round_trip(Done{2, ending}).ending.state, state);
  }
  const Raised raised{Raised::Kind::Later, "T", std::string{"a\0b", 3}, "m", 1h};
  const auto thrown = round_trip(Thrown{3, raised});
  EXPECT_EQ(thrown.raised.kind, Raised::Kind::Later);
  EXPECT_EQ(thrown.raised.message, raised.message);
  EXPECT_EQ(thrown.raised.delay, 1h);
}

TEST(PreforkFrames, CarryWhatIsSpawned) {
  TaskRequest full;
  full.name = "n";
  full.args = "[1]";
  full.kwargs = R"({"a": 1})";
  full.id = TaskId{"i"};
  full.queue = QueueName{"q"};
  full.eta = from_micros(5);
  full.expires = from_micros(-6);
  full.priority = -3;
  full.root = TaskId{"r"};
  full.parent = TaskId{"p"};
  full.headers = R"({"stamps": {}})";
  SpawnRequest request;
  request.requests = {full, TaskRequest{}};
  request.together.tick = Tick{"s", from_micros(1), MissedTicks{from_micros(2), from_micros(3), 4}};
  request.together.sightings = {{"t3_a", "b", from_micros(7)}};
  request.together.watermark = Watermark{"w", from_micros(8)};
  const auto read = round_trip(request);
  ASSERT_EQ(read.requests.size(), 2U);
  EXPECT_EQ(read.requests[0].eta, full.eta);
  EXPECT_EQ(read.requests[0].priority, -3);
  EXPECT_EQ(read.requests[0].queue, full.queue);
  EXPECT_EQ(read.requests[0].headers, full.headers);
  EXPECT_FALSE(read.requests[1].id);
  EXPECT_EQ(read.together.tick->missed->count, 4U);
  EXPECT_EQ(read.together.sightings.at(0).fullname, "t3_a");
  EXPECT_EQ(read.together.watermark->subreddit, "w");

  const auto answer = round_trip(SpawnAnswer{{{TaskId{"i"}, "n", QueueName{"q"}, false}}, {}});
  EXPECT_FALSE(answer.handles.at(0).fresh);
  EXPECT_FALSE(answer.error);
  const auto refused = round_trip(SpawnAnswer{{}, Error{Errc::Conflict, "taken"}});
  EXPECT_EQ(refused.error->code, Errc::Conflict);
  EXPECT_EQ(refused.error->what, "taken");
}

TEST(PreforkFrames, CarryWhatMovedAndTheGreetings) {
  const metrics::SeriesChange change{
      metrics::Kind::Histogram, "n", "h", {"a", "b"}, {1, 2}, {"x", "y"}, -0.25, {1, 0, 3}};
  EXPECT_EQ(round_trip(Moved{{change, {}}}).changes, (std::vector{change, {}}));
  EXPECT_EQ(round_trip(Hello{"tasks"}).tasks, "tasks");
  EXPECT_EQ(round_trip(Unable{"why"}).reason, "why");
}

TEST(PreforkFrames, ThatAreNoneAreRefusedByName) {
  EXPECT_THAT(decode("").error().what, HasSubstr("no frame: 0 bytes"));
  EXPECT_THAT(decode("\xff").error().what, HasSubstr("begin with 255"));
  // A text that claims to be longer than all there is, and a list that claims more than fit.
  const auto hello = encode(Hello{"tasks"}).value().substr(kFrameHead);
  for (std::size_t size = 0; size < hello.size(); ++size) {
    EXPECT_FALSE(decode(hello.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode(hello + "x")) << "bytes left over";
  EXPECT_FALSE(decode(std::string{"\x05"} + std::string(7, '\xff') + "\x7f")) << "a list too long";
  FrameReader reader;
  reader.feed("\xff\xff\xff\xff");
  EXPECT_THAT(reader.next().error().what, HasSubstr("a frame of 4294967295 bytes (at most"));
}

TEST(PreforkFrames, HaveABound) {
  const auto large = encode(Hello{std::string(kMostFrame, 'x')});
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().what, HasSubstr("bytes (at most 67108864)"));
}

TEST(PreforkStartPlan, WaitsTwiceAsLongEachTimeUpToABound) {
  StartPlan plan;
  EXPECT_EQ(plan.failed(), 100ms);
  EXPECT_EQ(plan.failed(), 200ms);
  EXPECT_EQ(plan.failed(), 400ms);
  for (int i = 0; i < 20; ++i) (void)plan.failed();
  EXPECT_EQ(plan.failed(), 30s);
  plan.started();
  EXPECT_EQ(plan.failed(), 100ms);
}

TEST(PreforkLifetime, EndsWithTasksOrMemoryIfThereIsABound) {
  EXPECT_FALSE(Lifetime{}.over_by_tasks(1'000'000));
  EXPECT_FALSE(Lifetime{}.over_by_memory(1'000'000));
  const Lifetime bounded{3, 100};
  EXPECT_FALSE(bounded.over_by_tasks(2));
  EXPECT_TRUE(bounded.over_by_tasks(3));
  EXPECT_FALSE(bounded.over_by_memory(100));
  EXPECT_TRUE(bounded.over_by_memory(101));
}

TEST(PreforkTaskSet, TellsOtherTasksApart) {
  const auto noop = +[](TaskContext&) {};
  const auto one = +[](TaskContext&, std::int64_t) {};
  TaskRegistry a, b, c, d;
  a.add("x", noop, {});
  b.add("x", noop, {});
  c.add("y", noop, {});
  d.add("x", one, {"n"});
  EXPECT_EQ(task_set_of(a), task_set_of(b));
  EXPECT_NE(task_set_of(a), task_set_of(c));
  EXPECT_NE(task_set_of(a), task_set_of(d));
}

}  // namespace
}  // namespace umbel::prefork
