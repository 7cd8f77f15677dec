#include "umbel/celery/result_meta.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

CallerResult some(TaskState state, std::string result) {
  CallerResult made;
  made.id = TaskId{"n-ok"};
  made.state = state;
  made.result = std::move(result);
  made.done = parse_iso8601("2026-11-22T12:41:15.651209+00:00");
  return made;
}

std::string fault(std::string_view text) {
  const auto found = decode_result_meta(text);
  EXPECT_TRUE(found.has_error()) << text << " was read";
  if (!found.has_error()) return {};
  EXPECT_EQ(found.error().code, Errc::Invalid);
  return found.error().what;
}

json::object exception(std::string_view document) {
  return parse_json(exception_for_python(document)).value().as_object();
}

TEST(ResultMeta, IsWrittenAsCeleryKeepsIt) {
  EXPECT_EQ(encode_result_meta(some(TaskState::Success, "3")),
            R"({"status": "SUCCESS", "result": 3, "traceback": null, "children": [], )"
            R"("date_done": "2026-11-22T12:41:15.651209+00:00", "task_id": "n-ok"})");
}

TEST(ResultMeta, NamesGroupParentAndChildren) {
  auto result = some(TaskState::Success, "[1, {\"a\": null}]");
  result.group = "g1";
  result.parent = "p1";
  result.children = {{"c1"}, {"g2", true, {{"c2"}, {"c3"}}}};

  const auto text = encode_result_meta(result);

  EXPECT_EQ(text, R"({"status": "SUCCESS", "result": [1, {"a": null}], "traceback": null, )"
                  R"("children": [[["c1", null], null], )"
                  R"([["g2", null], [[["c2", null], null], [["c3", null], null]]]], )"
                  R"("date_done": "2026-11-22T12:41:15.651209+00:00", "group_id": "g1", )"
                  R"("parent_id": "p1", "task_id": "n-ok"})");
  EXPECT_EQ(decode_result_meta(text).value().result, result);
}

TEST(ResultMeta, OfAStateThatIsNotFinalHasNoDate) {
  auto result = some(TaskState::Started, R"({"pid": 25097, "hostname": "w4@cap"})");
  result.done.reset();

  const auto text = encode_result_meta(result);

  EXPECT_THAT(text, HasSubstr(R"("status": "STARTED", "result": {"pid": 25097)"));
  EXPECT_THAT(text, HasSubstr(R"("date_done": null)"));
  EXPECT_EQ(decode_result_meta(text).value().result, result);
}

TEST(ResultMeta, AsAMessageHasWhatRpcSends) {
  auto result = some(TaskState::Success, "11");
  result.group = "g1";
  EXPECT_EQ(encode_result_message(result),
            R"({"task_id": "n-ok", "status": "SUCCESS", "result": 11, "traceback": null, )"
            R"("children": []})");
}

TEST(ResultMeta, ReadsWhatPythonWorkersLeave) {
  const auto plain =
      decode_result_meta(R"({"status": "SUCCESS", "result": 3, "traceback": null, "children": [], )"
                         R"("date_done": "2026-11-22T12:41:15.651209+00:00", "task_id": "n-ok"})");
  ASSERT_TRUE(plain) << plain.error().what;
  EXPECT_EQ(plain->result, some(TaskState::Success, "3"));

  const auto extended = decode_result_meta(
      R"({"status": "SUCCESS", "result": 13, "traceback": null, "children": [], )"
      R"("date_done": "2026-11-22T12:32:18.112969", "parent_id": "t-ok", "name": "cap.add", )"
      R"("args": [3, 10], "kwargs": {}, "worker": "w4@cap", "retries": 0, "queue": "celery", )"
      R"("task_id": "94b6"})");
  ASSERT_TRUE(extended) << extended.error().what;
  EXPECT_EQ(extended->result.parent, "t-ok");
  EXPECT_EQ(iso8601(*extended->result.done), "2026-11-22T12:32:18.112969+00:00");
  EXPECT_EQ(extended->name, "cap.add");
  EXPECT_EQ(extended->args, "[3, 10]");
  EXPECT_EQ(extended->kwargs, "{}");
  EXPECT_EQ(extended->worker, "w4@cap");
  EXPECT_EQ(extended->queue, "celery");
  EXPECT_EQ(extended->retries, 0);

  const auto rpc = decode_result_meta(
      R"({"task_id": "bbd02cb7-588c-4e07-9c64-1f2653c6065a", "status": "FAILURE", "result": )"
      R"({"exc_type": "ValueError", "exc_message": ["boom", 42], "exc_module": "builtins"}, )"
      R"("traceback": "Traceback (most recent call last):\n", "children": []})");
  ASSERT_TRUE(rpc) << rpc.error().what;
  EXPECT_EQ(rpc->result.state, TaskState::Failure);
  EXPECT_EQ(rpc->result.traceback, "Traceback (most recent call last):\n");
  EXPECT_FALSE(rpc->result.done);
}

TEST(ResultMeta, KeepsCustomStatesAndTypedValuesAsTheyAre) {
  const auto found = decode_result_meta(
      R"({"status": "PROGRESS", "result": {"__type__": "datetime", "__value__": )"
      R"("2030-01-02T03:04:05+00:00"}, "task_id": "a"})");
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->result.state, TaskState::Custom);
  EXPECT_EQ(found->result.custom_state, "PROGRESS");
  EXPECT_EQ(found->result.result,
            R"({"__type__": "datetime", "__value__": "2030-01-02T03:04:05+00:00"})");
}

TEST(ResultMeta, SaysWhatIsWrong) {
  EXPECT_THAT(fault(""), HasSubstr("empty"));
  EXPECT_THAT(fault("[1]"), HasSubstr("not an object"));
  EXPECT_THAT(fault(R"({"status": "SUCCESS", "result": 1})"), HasSubstr("task_id"));
  EXPECT_THAT(fault(R"({"task_id": "a", "result": 1})"), HasSubstr("status"));
  EXPECT_THAT(fault(R"({"task_id": "a", "status": 7, "result": 1})"), HasSubstr("status"));
  EXPECT_THAT(fault(R"({"task_id": "a", "status": "SUCCESS"})"), HasSubstr("`result`"));
  EXPECT_TRUE(decode_result_meta(
      R"({"task_id": "a", "status": "SUCCESS", "result": 1, "children": [7, [[], null]]})"));
}

TEST(ResultMeta, KnowsASuccessHoweverItIsWritten) {
  EXPECT_TRUE(says_success(encode_result_meta(some(TaskState::Success, "3"))));
  EXPECT_TRUE(says_success(R"({"task_id":"a","status":"SUCCESS","result":1})"));
  EXPECT_FALSE(says_success(R"({"status": "FAILURE", "result": {"status": "SUCCESS"}})"));
  EXPECT_FALSE(says_success("SUCCESS"));
}

TEST(ResultMeta, WritesGroupsAsGroupResultSavesThem) {
  const ResultTree group{"g1", true, {{"a"}, {"g2", true, {{"b"}}}, {"g3", true, {}}}};
  const auto text = encode_group(group);
  EXPECT_EQ(text, R"({"result": [["g1", null], [[["a", null], null], )"
                  R"([["g2", null], [[["b", null], null]]], [["g3", null], []]]]})");
  EXPECT_EQ(decode_group(text).value(), group);
  // A member that is a chord's body has the header as its parent.
  const auto chord = decode_group(
      R"({"result": [["g1", null], [[["body", [["g2", null], [[["x", null], null]]]], null]]]})");
  ASSERT_TRUE(chord) << chord.error().what;
  EXPECT_EQ(*chord, (ResultTree{"g1", true, {{"body"}}}));
  EXPECT_FALSE(decode_group(R"({"result": [["g1", null], null]})"));
  EXPECT_FALSE(decode_group(R"({"result": [[3, null], []]})"));
  EXPECT_FALSE(decode_group(R"({})"));
}

TEST(ResultMeta, GivesEveryExceptionAModuleThatPythonCanUse) {
  const auto module = [](std::string_view type, std::string_view given = "builtins") {
    const auto document = to_json(exception_document(type, "boom", given));
    return std::string{exception(document).at("exc_module").as_string()};
  };
  EXPECT_EQ(module("ValueError"), "builtins");
  EXPECT_EQ(module("SoftTimeLimitExceeded"), "billiard.exceptions");
  EXPECT_EQ(module("TimeLimitExceeded"), "billiard.exceptions");
  EXPECT_EQ(module("WorkerLostError"), "billiard.exceptions");
  EXPECT_EQ(module("NotRegistered"), "celery.exceptions");
  EXPECT_EQ(module("TaskRevokedError", "celery.exceptions"), "celery.exceptions");
  // Not an exception at all, or one that would end the caller.
  EXPECT_EQ(module("print"), "umbel");
  EXPECT_EQ(module("SystemExit"), "umbel");
  EXPECT_EQ(module("std::runtime_error"), "umbel");
}

TEST(ResultMeta, AFailureIsAlwaysAnException) {
  for (const char* text : {"null", "\"boom\"", "{}", "[1]", R"({"exc_type": 7})", "not JSON"}) {
    const auto made = exception(text);
    EXPECT_EQ(made.at("exc_type").as_string(), "RuntimeError") << text;
    EXPECT_EQ(made.at("exc_message").as_array().size(), 1U) << text;
  }
  EXPECT_THAT(encode_result_meta(some(TaskState::Failure, "null")),
              HasSubstr(R"("result": {"exc_type": "RuntimeError")"));
  // One message is a list of one argument; a number stays one.
  EXPECT_EQ(exception_for_python(R"({"exc_type": "KeyError", "exc_message": "k"})"),
            R"({"exc_type": "KeyError", "exc_message": ["k"], "exc_module": "builtins"})");
  EXPECT_EQ(
      exception_for_python(
          R"({"exc_type": "TimeLimitExceeded", "exc_message": [1], "exc_module": "billiard.exceptions"})"),
      R"({"exc_type": "TimeLimitExceeded", "exc_message": [1], "exc_module": "billiard.exceptions"})");
}

TEST(ResultMeta, AHardLimitIsANumber) {
  EXPECT_EQ(
      exception_for_python(
          to_json(exception_document("TimeLimitExceeded", "1.5", "billiard.exceptions"))),
      R"({"exc_type": "TimeLimitExceeded", "exc_message": [1.5], "exc_module": "billiard.exceptions"})");
  EXPECT_EQ(exception(to_json(exception_document("TimeLimitExceeded", "soon"))).at("exc_message"),
            json::array{"soon"});
}

TEST(ResultMeta, ShowsExceptionsAsPythonDoes) {
  EXPECT_EQ(repr_of_exception(R"({"exc_type": "ValueError", "exc_message": ["oops", 42]})"),
            "ValueError('oops', 42)");
  EXPECT_EQ(repr_of_exception(R"({"exc_type": "ValueError", "exc_message": []})"), "ValueError()");
  EXPECT_EQ(repr_of_exception("7"), "7");
}

// Whatever bytes are read, the answer is a value or an Error, and a value can be written again.
TEST(ResultMeta, SurvivesDamagedText) {
  std::mt19937 random{7};
  const std::string good = encode_result_meta([] {
    auto result =
        some(TaskState::Failure, R"({"exc_type": "ValueError", "exc_message": ["\u00e9"]})");
    result.children = {{"g", true, {{"c"}}}};
    return result;
  }());
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (int change = 0; change < 3; ++change) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 9);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 9));
      }
      if (text.empty()) text = " ";
    }
    if (const auto found = decode_result_meta(text)) {
      EXPECT_TRUE(decode_result_meta(encode_result_meta(found->result))) << text;
    }
    (void)says_success(text);
    (void)decode_group(text);
    EXPECT_TRUE(parse_json(exception_for_python(text))) << text;
    (void)repr_of_exception(text);
  }
}

}  // namespace
}  // namespace umbel::celery
