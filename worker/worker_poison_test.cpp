// Messages from foreign hands: whatever comes, the worker says what is wrong with it, lives on, and
// runs the next task.
#include <gmock/gmock.h>

#include "stand.hpp"

namespace umbel {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::Stand;

Message good() {
  celery::TaskMessage task;
  task.task = "add";
  task.id = new_task_id();
  task.args = {1, 2};
  return celery::encode_task(task);
}

std::function<void(Message&)> header(std::string name, boost::json::value value) {
  return [name = std::move(name), value = std::move(value)](Message& message) {
    auto headers = celery::parse_json(message.headers).value().as_object();
    headers[name] = value;
    message.headers = celery::to_json(headers);
  };
}

std::function<void(Message&)> no_header(std::string name) {
  return [name = std::move(name)](Message& message) {
    auto headers = celery::parse_json(message.headers).value().as_object();
    headers.erase(name);
    message.headers = celery::to_json(headers);
  };
}

std::function<void(Message&)> body(std::string text) {
  return [text = std::move(text)](Message& message) { message.body = text; };
}

boost::json::string xs(std::size_t count) { return boost::json::string(count, 'x'); }

// A good message with one change. `says`: what its failure must tell; empty: it runs all the same.
struct Case {
  const char* name;
  std::function<void(Message&)> change;
  const char* says;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases{
      // The table of what a Python worker does with bad messages.
      {"only task and id",
       [](Message& m) { m.headers = R"({"task": "add", "id": ")" + m.correlation_id + "\"}"; }, ""},
      {"two elements", body("[[1, 2], {}]"), "a list of 2 elements"},
      {"no id", no_header("id"), "the message has no task id"},
      {"no content type", [](Message& m) { m.content_type.clear(); }, "no content type"},
      {"no content encoding", [](Message& m) { m.content_encoding.clear(); }, ""},
      {"one limit", header("timelimit", {3}), "a list of 1 elements"},
      {"limit null", header("timelimit", nullptr), ""},
      {"no limit", no_header("timelimit"), ""},
      {"retries null", header("retries", nullptr), ""},
      {"no retries", no_header("retries"), ""},
      {"id a number", header("id", 7), "the task id is the number 7"},
      {"not JSON", body("{nonsense"), "the body is not JSON"},
      {"pickle", [](Message& m) { m.content_type = "application/x-python-serialize"; }, "pickle"},
      {"unknown name", header("task", "no.such"), "no.such"},
      {"no task header", no_header("task"), "no task message"},
      {"eta a word", header("eta", "soon"), "eta is 'soon'"},
      {"expires a number", header("expires", 1795350738), "expires is the number"},
      {"kwargs a list", body("[[1, 2], [], {}]"), "keyword arguments are a list"},
      {"callbacks a text", body(R"([[1, 2], {}, {"callbacks": "x"}])"), "callbacks is a string"},
      {"callbacks numbers", body(R"([[1, 2], {}, {"callbacks": [1]}])"), "callbacks is a list"},
      // What is to follow it could not be sent, so the task is not run.
      {"a chain of nonsense", body(R"([[1, 2], {}, {"chain": [{"task": "add", "args": 5}]}])"),
       "chain[0].args is the number 5"},
      // Wrong types everywhere.
      {"args an object", body("[{}, {}, {}]"), "positional arguments are an object"},
      {"embed a text", body(R"([[1, 2], {}, "x"])"), "third element of the body is a string"},
      {"body null", body("null"), "the body is null"},
      {"body a number", body("1e400"), "the body is"},
      {"name a list", header("task", boost::json::array{"add"}), "name is a list"},
      {"name empty", header("task", ""), "name is empty"},
      {"retries negative", header("retries", -1), "retries is the number -1"},
      {"retries a text", header("retries", "1"), "retries is a string"},
      {"root a number", header("root_id", 1), "root_id is the number 1"},
      {"parent a list", header("parent_id", boost::json::array{}), "parent_id is a list"},
      {"group an object", header("group", boost::json::object{}), "group is an object"},
      {"argsrepr a number", header("argsrepr", 1), "argsrepr is the number 1"},
      {"ignore_result a text", header("ignore_result", "no"), "ignore_result is a string"},
      {"limits texts", header("timelimit", {"3", nullptr}), "timelimit holds a string"},
      {"limit negative", header("timelimit", {-3, nullptr}), "timelimit holds the number -3"},
      {"stamps a number", header("stamps", 5), ""},
      {"postponed a text", header("umbel_postponed", "often"), ""},
      {"postponed without end", header("umbel_postponed", 9'000'000'000'000'000'000), ""},
      {"retries without end", header("retries", 9'000'000'000'000'000'000), ""},
      {"headers a list", [](Message& m) { m.headers = "[1]"; }, "the headers are a list"},
      {"headers broken", [](Message& m) { m.headers = "{"; }, "the headers are not JSON"},
      // Bytes.
      {"zeros", body(std::string(100, '\0')), "the body is not JSON"},
      {"NUL in an argument", body(R"([["a\u0000b", 2], {}, {}])"), "must be integer, not string"},
      {"NUL in the id", header("id", boost::json::string{"a\0b", 3}), "control character"},
      {"NUL in the name", header("task", boost::json::string{"add\0x", 5}), "control character"},
      {"newline in the name", header("task", "add\nFAILED"), "control character"},
      {"no UTF-8", body("[[\"\xff\", 2], {}, {}]"), "no UTF-8 at byte 3"},
      {"no UTF-8 in the headers", [](Message& m) { m.headers[3] = '\xff'; }, "no UTF-8"},
      {"utf-16", body(std::string{"[\0[\0", 4}), "the body is not JSON"},
      {"NaN for an integer", body("[[NaN, 2], {}, {}]"), "must be integer"},
      {"Infinity for an integer", body("[[1, Infinity], {}, {}]"), "must be integer"},
      {"beyond 64 bits", body("[[1, 99999999999999999999999], {}, {}]"), "must be integer"},
      {"overflow of 64 bits", body("[[1, 18446744073709551615], {}, {}]"), "must be"},
      // Sizes and depth.
      {"deep", body(std::string(100'000, '[')), "nested deeper than 64 levels"},
      {"deep headers",
       [](Message& m) {
         m.headers.insert(1, "\"x\": " + std::string(1000, '[') + std::string(1000, ']') + ", ");
       },
       "nested deeper than 64 levels"},
      {"body too large", body(std::string(celery::kMaxBody + 1, ' ')), "at most 16777216"},
      {"headers too large",
       [](Message& m) { m.headers.insert(1, std::string(celery::kMaxBody, ' ')); },
       "the header table has"},
      {"long id", header("id", xs(256)), "the task id has 256 bytes"},
      {"long name", header("task", xs(1025)), "the task's name has 1025 bytes"},
      {"long root", header("root_id", xs(256)), "root_id has 256 bytes"},
      {"long argsrepr", header("argsrepr", xs(1'000'000)), ""},
      {"a million arguments",
       [](Message& m) {
         m.body = "[[";
         for (int i = 0; i < 1'000'000; ++i) m.body += "1,";
         m.body += "1], {}, {}]";
       },
       "takes 2 positional arguments but 1000001 were given"},
      // Compression.
      {"bz2", header("compression", "application/x-bz2"), "compressed with application/x-bz2"},
      {"not compressed", header("compression", "application/x-gzip"), "no zlib stream"},
      {"compression a number", header("compression", 5), "compressed with the number 5"},
      // Version 1, and the mixture.
      {"version 1",
       [](Message& m) {
         m.headers.clear();
         m.body = R"({"task": "add", "args": [1, 2], "id": ")" + m.correlation_id + "\"}";
       },
       ""},
      {"version 1 without a task", [](Message& m) { m.headers.clear(), m.body = "{}"; },
       "neither the headers nor the body name a task"},
      {"version 1 with odd arguments",
       [](Message& m) {
         m.headers.clear();
         m.body = R"({"task": "add", "args": {}, "id": ")" + m.correlation_id + "\"}";
       },
       "positional arguments are an object"},
      {"empty body", body(""), "the text is empty"},
  };
  return kCases;
}

TEST(WorkerPoison, IsRefusedWithAReasonAndTheNextTaskRuns) {
  Stand stand;
  std::function<std::int64_t(TaskContext&, std::int64_t, std::int64_t)> add =
      [](TaskContext&, std::int64_t x, std::int64_t y) { return x + y; };
  stand.tasks.add("add", add, {"x", "y"});
  const auto worker = stand.start();

  for (const auto& one : cases()) {
    SCOPED_TRACE(one.name);
    auto message = good();
    const TaskId id{message.correlation_id};
    one.change(message);
    stand.publish(message);
    const auto task = stand.result_of(id);
    if (*one.says == '\0') {
      EXPECT_EQ(task.state, TaskState::Success) << task.result;
      EXPECT_EQ(task.result, "3");
      continue;
    }
    EXPECT_EQ(task.state, TaskState::Failure);
    EXPECT_THAT(Stand::field(task, "exc_message"), HasSubstr(one.says));
    EXPECT_LT(task.result.size(), 2000U) << "a reason is short";
    const auto events = stand.types_of(id, TaskEventType::Failed);
    EXPECT_EQ(events.back(), TaskEventType::Failed);
    EXPECT_EQ(stand.result_of(stand.send("add", "[1, 1]")).result, "2") << "the next task runs";
  }
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
}

TEST(WorkerPoison, WithoutAnIdIsDroppedCountedAndLogged) {
  Stand stand;
  stand.tasks.add("add", std::function<void(TaskContext&)>{[](TaskContext&) {}}, {});
  const auto worker = stand.start();
  std::vector<Message> messages;
  messages.push_back(Message{});
  for (const auto& id : {std::string{"a\0b", 3}, std::string{"\xff"}, std::string(256, 'x')}) {
    auto message = good();
    message.body = "broken";
    message.headers.clear();
    message.correlation_id = id;
    messages.push_back(message);
  }
  for (const auto& message : messages) stand.publish(message);

  EXPECT_EQ(stand.result_of(stand.submit("add")).state, TaskState::Success);
  EXPECT_TRUE(eventually([&] { return stand.queues_empty(); }));
  EXPECT_THAT(stand.lines("message dropped: it is no task message"), SizeIs(messages.size()));
  EXPECT_THAT(stand.metrics.text(), HasSubstr("umbel_tasks_undecodable_total{queue=\"umbel\"} 4"));
}

}  // namespace
}  // namespace umbel
