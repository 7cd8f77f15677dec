#include "umbel/celery/task_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>
#include <string>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

constexpr const char* kId = "89eb56dd-9748-441d-a924-607a52f72fe2";

// What Celery 5.5.3 publishes for `add.delay(1, y='é')`.
Message captured() {
  Message message;
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.correlation_id = kId;
  message.reply_to = "26237f38-b669-3569-be01-e0a297f71863";
  message.headers =
      R"j({"lang": "py", "task": "cap.add", "id": "89eb56dd-9748-441d-a924-607a52f72fe2", "shadow": null, "eta": null,
     "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null],
     "root_id": "89eb56dd-9748-441d-a924-607a52f72fe2", "parent_id": null, "argsrepr": "(1,)", "kwargsrepr": "{'y': 'é'}",
     "origin": "gen26150@vm", "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}})j";
  message.body =
      R"([[1], {"y": "\u00e9"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])";
  return message;
}

Message minimal(std::string_view headers = R"({"task": "t", "id": "i"})",
                std::string_view body = "[[], {}, {}]") {
  Message message;
  message.content_type = "application/json";
  message.headers = headers;
  message.body = body;
  return message;
}

// A message whose headers are task, id and `more`.
Message with_header(const std::string& more) {
  return minimal(R"({"task": "t", "id": "i", )" + more + "}");
}

TaskMessage read(const Message& message) {
  auto task = decode_task(message);
  EXPECT_TRUE(task.has_value()) << task.error().what;
  return task.has_value() ? *task : TaskMessage{};
}

std::string fault(const Message& message) {
  const auto task = decode_task(message);
  EXPECT_TRUE(task.has_error()) << "was read: " << message.headers << ' ' << message.body;
  if (!task.has_error()) return {};
  EXPECT_EQ(task.error().code, Errc::Invalid);
  return task.error().what;
}

TEST(TaskMessage, reads_the_captured_message) {
  TaskMessage expected;
  expected.task = "cap.add";
  expected.id = TaskId{kId};
  expected.args = {1};
  expected.kwargs = {{"y", "é"}};
  expected.root_id = kId;
  expected.argsrepr = "(1,)";
  expected.kwargsrepr = "{'y': 'é'}";
  expected.origin = "gen26150@vm";
  expected.reply_to = "26237f38-b669-3569-be01-e0a297f71863";
  EXPECT_EQ(read(captured()), expected);
}

TEST(TaskMessage, writes_the_captured_message_back) {
  const Message written = encode_task(read(captured()));
  Message expected = captured();
  EXPECT_EQ(written.body, expected.body);
  EXPECT_EQ(to_json(parse_json(written.headers).value()),
            to_json(parse_json(expected.headers).value()));
  EXPECT_EQ(written.correlation_id, expected.correlation_id);
  EXPECT_EQ(written.reply_to, expected.reply_to);
  EXPECT_EQ(written.content_type, expected.content_type);
  EXPECT_EQ(written.content_encoding, expected.content_encoding);
}

TEST(TaskMessage, runs_on_a_name_an_id_and_a_body) {
  const TaskMessage task = read(minimal());
  EXPECT_EQ(task.task, "t");
  EXPECT_EQ(task.id, TaskId{"i"});
  EXPECT_EQ(task.retries, 0);
  EXPECT_FALSE(task.eta || task.expires || task.time_limit || task.soft_time_limit);
  EXPECT_TRUE(task.args.empty() && task.kwargs.empty() && task.embed.empty());
  EXPECT_TRUE(task.extra_headers.empty());
}

TEST(TaskMessage, takes_null_for_every_header_that_may_be_missing) {
  read(with_header(R"("retries": null, "timelimit": null, "eta": null, "expires": null,
      "root_id": null, "ignore_result": null, "argsrepr": null, "origin": null, "stamps": null)"));
  read(minimal(R"({"task": "t", "id": "i"})", "[[], {}, null]"));
}

TEST(TaskMessage, reads_limits_hard_first) {
  const TaskMessage task = read(with_header(R"("timelimit": [30, 20.5])"));
  EXPECT_EQ(task.time_limit, 30.0);
  EXPECT_EQ(task.soft_time_limit, 20.5);
  EXPECT_FALSE(read(with_header(R"("timelimit": [0, null])")).time_limit);
}

TEST(TaskMessage, reads_times_with_any_offset_and_naive_ones_as_utc) {
  const auto noon = parse_iso8601("2026-11-22T12:37:51.701372+00:00");
  ASSERT_TRUE(noon);
  for (const char* const text :
       {"2026-11-22T13:37:51.701372+01:00", "2026-11-22T12:37:51.701372",
        "2026-11-22T12:37:51.701372Z", "2026-11-22T12:37:51.701372+00:00"}) {
    EXPECT_EQ(read(with_header(std::string{R"("eta": ")"} + text + '"')).eta, noon) << text;
    EXPECT_EQ(read(with_header(std::string{R"("expires": ")"} + text + '"')).expires, noon);
  }
}

TEST(TaskMessage, unwraps_typed_arguments_and_passes_callbacks_on_as_they_came) {
  const char* const typed = R"({"__type__": "date", "__value__": "2030-01-02"})";
  const TaskMessage task = read(
      minimal(R"({"task": "t", "id": "i"})", std::string{"[["} + typed + R"(], {"d": )" + typed +
                                                 R"(}, {"callbacks": [{"task": "u", "args": [)" +
                                                 typed + R"(]}], "chain": null}])"));
  EXPECT_EQ(task.args, (json::array{"2030-01-02"}));
  EXPECT_EQ(task.kwargs, (json::object{{"d", "2030-01-02"}}));
  EXPECT_EQ(task.embed.size(), 1U);
  EXPECT_THAT(to_json(task.embed), HasSubstr(typed));
}

TEST(TaskMessage, keeps_headers_that_it_does_not_know) {
  const TaskMessage task = read(with_header(
      R"("periodic_task_name": "p", "umbel_n": [1], "stamped_headers": ["m"], "stamps": {"m": 1}, "group_index": 2)"));
  EXPECT_EQ(task.extra_headers, (json::object{{"periodic_task_name", "p"},
                                              {"umbel_n", json::array{1}},
                                              {"stamped_headers", json::array{"m"}},
                                              {"stamps", json::object{{"m", 1}}},
                                              {"group_index", 2}}));
  EXPECT_EQ(read(encode_task(task)).extra_headers, task.extra_headers);
}

TEST(TaskMessage, does_not_let_an_extra_header_replace_one_with_a_member) {
  TaskMessage task = read(minimal());
  task.extra_headers = {{"id", "forged"}, {"compression", "zlib"}, {"umbel_tick", 1}};
  const TaskMessage back = read(encode_task(task));
  EXPECT_EQ(back.id, TaskId{"i"});
  EXPECT_EQ(back.extra_headers, (json::object{{"umbel_tick", 1}}));
}

TEST(TaskMessage, reads_version_1) {
  const TaskMessage task = read(minimal("", R"({"task": "cap.add", "id": "6de8", "args": [1],
      "kwargs": {"y": "\u00e9"}, "group": null, "group_index": null, "retries": 2,
      "eta": "2026-11-22T12:31:40.109429+00:00", "expires": null, "utc": true,
      "callbacks": [{"task": "u"}], "errbacks": null, "timelimit": [9, null], "taskset": "g",
      "chord": null})"));
  EXPECT_EQ(task.task, "cap.add");
  EXPECT_EQ(task.id, TaskId{"6de8"});
  EXPECT_EQ(task.args, (json::array{1}));
  EXPECT_EQ(task.kwargs, (json::object{{"y", "é"}}));
  EXPECT_EQ(task.retries, 2);
  EXPECT_TRUE(task.eta);
  EXPECT_EQ(task.time_limit, 9.0);
  EXPECT_EQ(task.group, "g");
  EXPECT_EQ(task.embed, (json::object{{"callbacks", json::array{json::object{{"task", "u"}}}}}));
  EXPECT_TRUE(task.extra_headers.empty());
}

TEST(TaskMessage, reads_version_1_without_arguments) {
  const TaskMessage task = read(minimal("{}", R"({"task": "t", "id": "i"})"));
  EXPECT_TRUE(task.args.empty() && task.kwargs.empty());
}

TEST(TaskMessage, reads_the_mixture_of_both_versions) {
  const TaskMessage task =
      read(minimal(R"({"task": "new", "id": "n", "custom": 1})",
                   R"({"task": "old", "id": "o", "args": [1], "kwargs": {}, "retries": 1})"));
  EXPECT_EQ(task.task, "new");
  EXPECT_EQ(task.id, TaskId{"n"});
  EXPECT_EQ(task.args, (json::array{1}));
  EXPECT_EQ(task.retries, 1);
  EXPECT_EQ(task.extra_headers, (json::object{{"custom", 1}}));
}

TEST(TaskMessage, writes_every_header_of_celery) {
  TaskMessage task;
  task.task = "demo.add";
  task.id = TaskId{"i"};
  task.args = {1, 2};
  task.kwargs = {{"k", "v"}};
  task.eta = from_micros(1'795'350'700'109'429);
  task.expires = from_micros(1'795'350'800'000'000);
  task.time_limit = 30;
  task.soft_time_limit = 2.5;
  task.priority = 7;
  const Message message = encode_task(task);
  EXPECT_EQ(
      message.headers,
      R"({"lang": "py", "task": "demo.add", "id": "i", "shadow": null, "eta": "2026-11-22T12:31:40.109429+00:00", )"
      R"("expires": "2026-11-22T12:33:20.000000+00:00", "group": null, "group_index": null, "retries": 0, )"
      R"j("timelimit": [30, 2.5], "root_id": null, "parent_id": null, "argsrepr": "(1, 2)", "kwargsrepr": "{'k': 'v'}", )j"
      R"("origin": null, "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}})");
  EXPECT_EQ(
      message.body,
      R"([[1, 2], {"k": "v"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])");
  EXPECT_EQ(message.priority, 7);
  EXPECT_EQ(message.expires, task.expires);
  EXPECT_EQ(message.correlation_id, "i");
}

TEST(TaskMessage, writes_the_callbacks_that_it_was_given) {
  TaskMessage task = read(minimal());
  task.embed = {{"chain", json::array{json::object{{"task", "u"}}}}};
  EXPECT_EQ(
      encode_task(task).body,
      R"([[], {}, {"callbacks": null, "errbacks": null, "chain": [{"task": "u"}], "chord": null}])");
}

struct BadMessage {
  const char* name;
  Message message;
  const char* says;
};

void PrintTo(const BadMessage& bad, std::ostream* out) { *out << bad.name; }

class BadTaskMessage : public ::testing::TestWithParam<BadMessage> {};

TEST_P(BadTaskMessage, is_refused_with_a_reason) {
  EXPECT_THAT(fault(GetParam().message), HasSubstr(GetParam().says));
}

Message of_type(const char* type) {
  Message message = minimal();
  message.content_type = type;
  return message;
}

Message of_body(std::string_view body) { return minimal(R"({"task": "t", "id": "i"})", body); }

const std::string& long_id() {
  static const std::string headers = R"({"task": "t", "id": ")" + std::string(256, 'x') + R"("})";
  return headers;
}

const std::string& long_name() {
  static const std::string headers = R"({"task": ")" + std::string(1025, 'x') + R"(", "id": "i"})";
  return headers;
}

const std::string& long_root() {
  static const std::string headers =
      R"({"task": "t", "id": "i", "root_id": ")" + std::string(256, 'x') + R"("})";
  return headers;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadTaskMessage,
    ::testing::Values(
        BadMessage{"two_elements", of_body("[[], {}]"), "a list of 2 elements (allowed: [args"},
        BadMessage{"four_elements", of_body("[[], {}, {}, {}]"), "a list of 4 elements"},
        BadMessage{"body_text", of_body("\"x\""), "the body is a string"},
        BadMessage{"args_object", of_body("[{}, {}, {}]"), "positional arguments are an object"},
        BadMessage{"kwargs_list", of_body("[[], [], {}]"), "keyword arguments are a list"},
        BadMessage{"kwargs_null", of_body("[[], null, {}]"), "keyword arguments are null"},
        BadMessage{"embed_text", of_body("[[], {}, \"x\"]"), "third element of the body"},
        BadMessage{"not_json", of_body("[[], {}"), "the body is not JSON: incomplete JSON"},
        BadMessage{"empty", of_body(""), "the body is not JSON: the text is empty"},
        BadMessage{"not_utf8", of_body("[[\"\xff\"], {}, {}]"), "no UTF-8 at byte 3"},
        BadMessage{"no_id", minimal(R"({"task": "t"})"), "no task id"},
        BadMessage{"null_id", minimal(R"({"task": "t", "id": null})"), "no task id"},
        BadMessage{"number_id", minimal(R"({"task": "t", "id": 5})"), "task id is the number 5"},
        BadMessage{"empty_id", minimal(R"({"task": "t", "id": ""})"), "task id is empty"},
        BadMessage{"long_id", minimal(long_id()), "task id has 256 bytes (at most 255)"},
        BadMessage{"number_name", minimal(R"({"task": 1, "id": "i"})"), "name is the number 1"},
        BadMessage{"empty_name", minimal(R"({"task": "", "id": "i"})"), "name is empty"},
        BadMessage{"limit_1", with_header(R"("timelimit": [3])"), "a list of 1 elements"},
        BadMessage{"limit_text", with_header(R"("timelimit": "3")"), "timelimit is a string"},
        BadMessage{"limit_of_text", with_header(R"("timelimit": ["3", null])"), "timelimit holds"},
        BadMessage{"limit_negative", with_header(R"("timelimit": [-1, null])"), "the number -1"},
        BadMessage{"limit_nan", with_header(R"("timelimit": [NaN, null])"),
                   "timelimit holds no finite number"},
        BadMessage{"retries_text", with_header(R"("retries": "1")"), "retries is a string"},
        BadMessage{"retries_negative", with_header(R"("retries": -1)"), "retries is the number -1"},
        BadMessage{"eta_number", with_header(R"("eta": 1795350738)"), "eta is the number"},
        BadMessage{"eta_epoch", with_header(R"("eta": "1795350738")"), "no ISO 8601 time"},
        BadMessage{"expires_word", with_header(R"("expires": "soon")"), "expires is 'soon'"},
        BadMessage{"root_number", with_header(R"("root_id": 1)"), "root_id is the number 1"},
        BadMessage{"ignore_text", with_header(R"("ignore_result": "no")"), "ignore_result"},
        BadMessage{"bz2", with_header(R"("compression": "application/x-bz2")"),
                   "compressed with application/x-bz2, which is not read (allowed: no compression, "
                   "or application/x-gzip)"},
        BadMessage{"compression_number", with_header(R"("compression": 1)"), "with the number 1"},
        BadMessage{"not_compressed", with_header(R"("compression": "application/x-gzip")"),
                   "no zlib stream: incorrect header check"},
        BadMessage{"control_id", minimal(R"({"task": "t", "id": "i\u0000j"})"),
                   "the task id holds a control character at byte 1"},
        BadMessage{"surrogate_id", minimal(R"({"task": "t", "id": "\ud800"})"),
                   "the headers are not JSON"},
        BadMessage{"control_name", minimal(R"({"task": "t\n", "id": "i"})"),
                   "the task's name holds a control character"},
        BadMessage{"long_name", minimal(long_name()), "name has 1025 bytes (at most 1024)"},
        BadMessage{"long_root", minimal(long_root()), "root_id has 256 bytes (at most 255)"},
        BadMessage{"callbacks_text", of_body(R"([[], {}, {"callbacks": "x"}])"),
                   "callbacks is a string (allowed: null, or a list of signatures)"},
        BadMessage{"callbacks_numbers", of_body(R"([[], {}, {"callbacks": [1]}])"), "callbacks is"},
        BadMessage{"chain_object", of_body(R"([[], {}, {"chain": {"task": "t"}}])"), "chain is an"},
        BadMessage{"chord_list", of_body(R"([[], {}, {"chord": []}])"), "chord is a list"},
        BadMessage{"version_1_errbacks",
                   minimal("", R"({"task": "t", "id": "i", "errbacks": {"a": 1}})"),
                   "errbacks is an object"},
        BadMessage{"deep_body", of_body(std::string(100'000, '[')), "nested deeper than 64"},
        BadMessage{"retries_huge", with_header(R"("retries": 9223372036854775808)"), "retries is"},
        BadMessage{"retries_half", with_header(R"("retries": 0.5)"), "retries is the number 0.5"},
        BadMessage{"no_type", of_type(""), "no content type (allowed: application/json)"},
        BadMessage{"pickle", of_type("application/x-python-serialize"), "(pickle) is refused"},
        BadMessage{"yaml", of_type("application/x-yaml"), "'application/x-yaml' is not known"},
        BadMessage{"headers_list", minimal("[]"), "the headers are a list, not an object"},
        BadMessage{"headers_broken", minimal("{"), "the headers are not JSON"},
        BadMessage{"no_task", minimal("{}"), "no header 'task', and the body is a list"},
        BadMessage{"no_task_in_body", minimal("{}", R"({"id": "i"})"), "neither the headers nor"},
        BadMessage{"version_1_kwargs", minimal("", R"({"task": "t", "id": "i", "kwargs": 1})"),
                   "keyword arguments are the number 1"},
        BadMessage{"version_1_id", minimal("", R"({"task": "t"})"), "no task id"}),
    [](const auto& test) { return std::string{test.param.name}; });

TEST(TaskMessage, does_not_look_at_a_body_that_is_too_large) {
  Message message = minimal();
  message.body = std::string(kMaxBody + 1, ' ');
  EXPECT_EQ(fault(message), "the body has 16777217 bytes (at most 16777216)");
}

std::string deflated(const std::string& text) {
  std::string out(compressBound(text.size()), '\0');
  auto size = static_cast<uLongf>(out.size());
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  out.resize(size);
  return out;
}

TEST(TaskMessage, reads_a_body_that_kombu_compressed) {
  Message message = with_header(R"("compression": "application/x-gzip")");
  const auto whole = deflated(R"([[1, "two"], {}, {}])");
  message.body = whole;
  const TaskMessage task = read(message);
  EXPECT_EQ(task.args, (json::array{1, "two"}));
  EXPECT_EQ(encode_task(task).headers.find("compression"), std::string::npos);

  message.body = whole.substr(0, whole.size() - 5);
  EXPECT_EQ(fault(message), "the compressed body ends in the middle of its zlib stream");
  message.body = "";
  EXPECT_EQ(fault(message), "the compressed body ends in the middle of its zlib stream");
  message.body = whole + "xy";
  EXPECT_EQ(fault(message), "the compressed body has 2 bytes after the end of its zlib stream");
  message.body = deflated("nonsense");
  EXPECT_THAT(fault(message), HasSubstr("the body is not JSON"));
}

TEST(TaskMessage, inflates_no_more_than_a_body_may_have) {
  Message message = with_header(R"("compression": "application/x-gzip")");
  message.body = deflated(std::string(kMaxBody + 1, ' '));
  EXPECT_LT(message.body.size(), 100'000U);
  EXPECT_EQ(fault(message), "the compressed body has more than 16777216 bytes when it is inflated");
}

TEST(TaskMessage, passes_numbers_that_json_does_not_have_to_the_next_attempt) {
  const TaskMessage task =
      read(minimal(R"({"task": "t", "id": "i"})", "[[NaN, Infinity, -Infinity], {}, {}]"));
  EXPECT_THAT(encode_task(task).body, HasSubstr("[[NaN, Infinity, -Infinity], "));
}

TEST(TaskMessage, keeps_of_a_text_to_show_what_can_be_shown) {
  const TaskMessage task = read(with_header(R"("argsrepr": ")" + std::string(5000, 'x') + "\""));
  EXPECT_LE(task.argsrepr.size(), 1024U);
}

TEST(TaskMessage, finds_the_id_of_what_it_refuses) {
  EXPECT_EQ(id_of(of_body("broken")), TaskId{"i"});
  Message message = minimal("broken");
  EXPECT_FALSE(id_of(message));
  message.correlation_id = "c";
  EXPECT_EQ(id_of(message), TaskId{"c"});
  message.headers = R"({"id": 5})";
  EXPECT_EQ(id_of(message), TaskId{"c"});
  message.headers = long_id();
  message.correlation_id = std::string(256, 'c');
  EXPECT_FALSE(id_of(message));
  for (const std::string& bad : {std::string{"a\0b", 3}, std::string{"a\xff"}, std::string{"\n"}}) {
    message.correlation_id = bad;
    EXPECT_FALSE(id_of(message)) << "would be another's id once it is cut short or cleaned";
  }
}

}  // namespace
}  // namespace umbel::celery
