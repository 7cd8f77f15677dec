// What must hold for every message, tried on many that nobody wrote by hand. The seed stands in the
// failure's trace.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "umbel/celery/events.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/model/task.hpp"
#include "umbel/model/worker_state.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_{seed} {}

  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>{0, limit - 1}(random_);
  }
  bool coin() { return below(2) == 0; }

  std::string text(std::size_t longest = 12) {
    static const std::vector<std::string> kPieces{"a",    "Z",   " ", "'", "\"",  "\\",
                                                  "\n",   "é",   "€", "🌼", "/",   "\x01",
                                                  "task", "NaN", "{", "]", "\x7f"};
    std::string out;
    for (std::size_t i = below(longest); i > 0; --i) out += kPieces[below(kPieces.size())];
    return out;
  }
  std::string some_text() { return "t" + text(); }

  std::int64_t integer() {
    return coin() ? static_cast<std::int64_t>(below(1000)) : std::bit_cast<std::int64_t>(random_());
  }

  double number() {
    for (;;) {
      const auto value = std::bit_cast<double>(random_());
      if (std::isfinite(value)) return value;
    }
  }

  WallTime time() { return from_micros(static_cast<std::int64_t>(below(4'000'000'000'000'000))); }

  template <class Make>
  auto maybe(Make make) -> std::optional<decltype(make())> {
    return coin() ? std::optional{make()} : std::nullopt;
  }

  json::value value(int depth = 0) {
    switch (below(depth < 4 ? 8 : 6)) {
      case 0:
        return nullptr;
      case 1:
        return coin();
      case 2:
        return integer();
      case 3:
        return std::numeric_limits<std::uint64_t>::max() - below(1000);
      case 4:
        return number();
      case 5:
        return json::value(text());
      case 6:
        return array(depth + 1);
      default:
        return object(depth + 1);
    }
  }
  json::array array(int depth = 0) {
    json::array out;
    for (std::size_t i = below(5); i > 0; --i) out.push_back(value(depth));
    return out;
  }
  json::object object(int depth = 0) {
    json::object out;
    for (std::size_t i = below(5); i > 0; --i) out[text()] = value(depth);
    return out;
  }

  // What an id or a name may be: no control characters.
  std::string key() {
    auto out = text();
    std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
    return out;
  }
  std::string some_key() { return "t" + key(); }
  json::array signatures() {
    json::array out;
    for (std::size_t i = below(4); i > 0; --i) {
      auto signature = object();
      signature["task"] = text();
      out.push_back(std::move(signature));
    }
    return out;
  }

  TaskMessage task() {
    TaskMessage task;
    task.task = some_key();
    task.id = TaskId{some_key()};
    task.args = array();
    task.kwargs = object();
    if (coin()) task.embed["chain"] = signatures();
    if (coin()) task.embed["callbacks"] = signatures();
    task.retries = static_cast<std::int64_t>(below(10));
    task.eta = maybe([&] { return time(); });
    task.expires = maybe([&] { return time(); });
    task.time_limit = maybe([&] { return std::abs(number()) + 1e-9; });
    task.soft_time_limit = maybe([&] { return static_cast<double>(1 + below(1000)); });
    task.root_id = key();
    task.parent_id = key();
    task.group = key();
    task.origin = key();
    task.shadow = key();
    task.argsrepr = some_text();
    task.kwargsrepr = some_text();
    task.reply_to = text();
    task.priority = static_cast<int>(below(256));
    task.ignore_result = coin();
    if (coin()) task.extra_headers["umbel_" + text()] = value();
    return task;
  }

  Event event() {
    if (below(4) == 0) return worker_event();
    TaskEvent event;
    event.type = static_cast<TaskEventType>(below(9));
    if (event.type == TaskEventType::Custom) event.custom_type = some_text();
    event.origin = origin();
    event.uuid = TaskId{some_text()};
    const auto shown = [&] { return text(); };
    event.name = maybe(shown);
    event.args = maybe(shown);
    event.kwargs = maybe(shown);
    event.root_id = maybe(shown);
    event.parent_id = maybe(shown);
    event.retries = static_cast<std::int64_t>(below(5));
    event.eta = maybe(shown);
    event.expires = maybe(shown);
    event.queue = maybe(shown);
    event.exchange = maybe(shown);
    event.routing_key = maybe(shown);
    event.result = maybe(shown);
    event.runtime = maybe([&] { return number(); });
    event.exception = maybe(shown);
    event.traceback = maybe([&] { return text(200); });
    event.terminated = coin();
    event.expired = coin();
    event.requeue = maybe([&] { return coin(); });
    event.signum = maybe([&] { return some_text(); });
    return event;
  }

 private:
  EventOrigin origin() {
    return {some_text(), time(), static_cast<std::int64_t>(below(100'000)),
            maybe([&] { return integer(); }), maybe([&] { return std::uint64_t{below(1000)}; })};
  }

  WorkerEvent worker_event() {
    WorkerEvent event;
    event.type = static_cast<WorkerEventType>(below(4));
    event.origin = origin();
    event.freq = maybe([&] { return number(); });
    event.active = maybe([&] { return integer(); });
    event.processed = maybe([&] { return integer(); });
    event.loadavg = maybe([&] { return std::array{number(), number(), number()}; });
    event.sw_ident = maybe([&] { return text(); });
    event.metrics_address = maybe([&] { return text(); });
    event.slots = maybe([&] { return integer(); });
    event.queues = maybe([&] { return text(); });
    event.stuck = maybe([&] { return integer(); });
    return event;
  }

  std::mt19937_64 random_;
};

std::uint64_t new_seed() { return std::random_device{}(); }

TEST(Codec, reads_back_every_task_that_it_writes) {
  const auto seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator{seed};
  for (int i = 0; i < 2000; ++i) {
    const TaskMessage task = generator.task();
    const Message message = encode_task(task);
    const auto back = decode_task(message);
    ASSERT_TRUE(back.has_value()) << back.error().what << '\n'
                                  << message.headers << '\n'
                                  << message.body;
    ASSERT_EQ(*back, task) << message.headers << '\n' << message.body;
    ASSERT_EQ(encode_task(*back), message);
  }
}

TEST(Codec, reads_back_every_value_that_it_writes) {
  const auto seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator{seed};
  for (int i = 0; i < 3000; ++i) {
    const json::value value = generator.value();
    const std::string text = to_json(value);
    const auto back = parse_json(text);
    ASSERT_TRUE(back.has_value()) << back.error().what << '\n' << text;
    ASSERT_EQ(*back, value) << text;
    for (const char c : text) ASSERT_TRUE(c >= 0x20 && c < 0x7f) << text;
    ASSERT_LE(repr(value).size(), 8 * kReprLimit);
  }
}

TEST(Codec, reads_back_every_event_that_it_writes) {
  const auto seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator{seed};
  for (int i = 0; i < 300; ++i) {
    std::vector<Event> events;
    for (std::size_t n = generator.below(10); n > 0; --n) events.push_back(generator.event());
    const std::string body = encode_events(events);
    std::vector<Event> back;
    const auto skipped = decode_events(body, back);
    ASSERT_TRUE(skipped.has_value()) << skipped.error().what << '\n' << body;
    EXPECT_EQ(*skipped, 0U) << body;
    ASSERT_EQ(back.size(), events.size());
    ASSERT_EQ(encode_events(back), body);  // what was lost in reading would be missing here
  }
}

// Feeds `text` to every reader. An answer is all that is asked; what was read must also survive
// being used.
void feed(const std::string& text) {
  const auto value = parse_json(text);
  if (value.has_value()) {
    static_cast<void>(repr(*value));
    static_cast<void>(to_json(*value));
  }
  std::vector<Event> events;
  const auto skipped = decode_events(text, events);
  ASSERT_TRUE(skipped.has_value() || events.empty());
  Task task;
  WorkerState worker;
  for (const Event& event : events) {
    if (const auto* const about_task = std::get_if<TaskEvent>(&event)) {
      apply(task, *about_task);
    } else {
      apply(worker, std::get<WorkerEvent>(event), WallTime{});
      static_cast<void>(worker.status(WallTime{}));
    }
  }
  for (const bool in_headers : {true, false}) {
    Message message;
    message.content_type = "application/json";
    message.headers = in_headers ? text : R"({"task": "t", "id": "i"})";
    message.body = in_headers ? "[[], {}, {}]" : text;
    const auto read = decode_task(message);
    if (read.has_value()) static_cast<void>(encode_task(*read));
    static_cast<void>(id_of(message));
  }
}

std::vector<std::string> valid_texts() {
  Generator generator{7};
  std::vector<std::string> texts;
  for (int i = 0; i < 4; ++i) {
    const Message message = encode_task(generator.task());
    texts.push_back(message.headers);
    texts.push_back(message.body);
    texts.push_back(encode_events(std::vector<Event>{generator.event(), generator.event()}));
  }
  texts.emplace_back(
      R"([[NaN, {"__type__": "uuid", "__value__": {"hex": "89eb56dd9748441da924607a52f72fe2"}}, "\ud800", -Infinity], {}, null])");
  texts.emplace_back(
      R"({"task": "t", "id": "i", "args": [1], "kwargs": {}, "timelimit": [1, 2], "eta": "2026-11-22T12:31:40.109429+00:00", "taskset": "g"})");
  texts.emplace_back(
      R"([{"type": "worker-heartbeat", "hostname": "w", "timestamp": 1.5, "freq": 2.0, "loadavg": [1, 2.5, NaN]}])");
  return texts;
}

TEST(Codec, answers_to_every_prefix_of_a_message) {
  for (const std::string& text : valid_texts()) {
    for (std::size_t size = 0; size <= text.size(); ++size) feed(text.substr(0, size));
  }
}

TEST(Codec, answers_to_every_damaged_message) {
  const auto seed = new_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator{seed};
  static constexpr std::string_view kBytes =
      "\"\\{}[],:0123456789eE+-.NaInfulstru \x80\xc3\xed\xff\x01";
  const auto texts = valid_texts();
  for (int i = 0; i < 6000; ++i) {
    std::string text = texts[generator.below(texts.size())];
    for (std::size_t n = 1 + generator.below(6); n > 0; --n) {
      const std::size_t at = generator.below(text.size());
      const char byte = generator.coin() ? kBytes[generator.below(kBytes.size())]
                                         : static_cast<char>(generator.below(256));
      switch (generator.below(4)) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text.erase(at, 1 + generator.below(3));
          break;
        default:
          text.insert(at, text.substr(at, generator.below(20)));
          break;
      }
      if (text.empty()) text = "x";
    }
    feed(text);
  }
}

}  // namespace
}  // namespace umbel::celery
