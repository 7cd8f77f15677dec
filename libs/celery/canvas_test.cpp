#include "umbel/celery/canvas.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/signature.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const WallTime kNow = from_micros(1'795'350'700'000'000);

// Typed values stay wrapped, as in a message.
json::value parsed(std::string_view text) { return json::parse({text.data(), text.size()}); }

// `{'task': 't'}`: single quotes for the eye.
std::string quoted(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return text;
}

std::string sig(const std::string& task, const std::string& more = "") {
  return quoted("{'task': '" + task + "'" + (more.empty() ? "" : ", " + more) + "}");
}

class Canvas : public ::testing::Test {
 protected:
  Canvas() {
    around.now = kNow;
    around.origin = "gen1@test";
    around.queue = QueueName{"own"};
    around.route = [](const std::string& task) { return QueueName{"of " + task}; };
  }

  static TaskMessage finished(const std::string& embed) {
    TaskMessage task;
    task.task = "parent";
    task.id = TaskId{"p"};
    task.root_id = "r";
    task.reply_to = "caller";
    task.embed = parsed(quoted(embed)).as_object();
    return task;
  }
  Following after(const std::string& embed, const std::string& value = "7") {
    return after(finished(embed), value);
  }
  Following after(const TaskMessage& task, const std::string& value = "7") {
    auto done = after_success(task, parsed(value), around);
    EXPECT_TRUE(done) << done.error().what;
    return done ? std::move(*done) : Following{};
  }
  static std::string call(const Child& child) {
    return child.message.task + to_json(child.message.args) + " " + child.queue.str();
  }
  static std::vector<std::string> calls(const Following& following) {
    std::vector<std::string> all;
    for (const auto& child : following.sent) all.push_back(call(child));
    return all;
  }
  static std::vector<std::string> ids(const std::vector<TaskMessage>& tasks) {
    std::vector<std::string> all;
    for (const auto& task : tasks) all.push_back(task.id.str());
    return all;
  }
  Surroundings around;
};

TEST_F(Canvas, NothingFollowsATaskThatStandsAlone) {
  const auto following = after("{}");
  EXPECT_THAT(following.sent, IsEmpty());
  EXPECT_THAT(following.children, IsEmpty());
  EXPECT_THAT(after_failure(finished("{}"), around)->sent, IsEmpty());
}

TEST_F(Canvas, GivesTheResultToOneCallback) {
  const auto following = after(R"({"callbacks": [)" + sig("cb", "'args': [3]") + "]}");

  EXPECT_THAT(calls(following), ElementsAre("cb[7, 3] of cb"));
  const auto& message = following.sent[0].message;
  EXPECT_EQ(message.root_id, "r");
  EXPECT_EQ(message.parent_id, "p");
  EXPECT_EQ(message.origin, "gen1@test");
  EXPECT_EQ(message.reply_to, "caller");
  EXPECT_EQ(message.group, "");
  EXPECT_THAT(following.children, ElementsAre(ResultTree{message.id.str()}));
}

TEST_F(Canvas, MakesSeveralCallbacksAGroupAndLeavesGroupsTheirOwn) {
  const auto following =
      after(R"({"callbacks": [)" + sig("a") + "," +
            sig("celery.group", "'subtask_type': 'group', 'kwargs': {'tasks': [" + sig("g") +
                                    "]}, 'options': {'task_id': 'gid'}") +
            "," + sig("b", "'immutable': true") + "]}");

  EXPECT_THAT(calls(following), ElementsAre("g[7] of g", "a[7] of a", "b[] of b"));
  EXPECT_EQ(following.sent[0].message.group, "gid");
  EXPECT_EQ(following.sent[1].message.group, following.sent[2].message.group);
  EXPECT_NE(following.sent[1].message.group, "");
  EXPECT_THAT(following.children, SizeIs(2));
  EXPECT_TRUE(following.children[1].group);
}

TEST_F(Canvas, SendsTheNextOfAChainWithTheRest) {
  // As captured: reversed, ids given.
  const auto following = after(R"({"chain": [)" + sig("last", "'options': {'task_id': 'l'}") + "," +
                               sig("next",
                                   "'args': [3], 'options': {'task_id': 'n', "
                                   "'reply_to': 'other', 'queue': 'python'}") +
                               "]}");

  EXPECT_THAT(calls(following), ElementsAre("next[7, 3] python"));
  const auto& message = following.sent[0].message;
  EXPECT_EQ(message.id.str(), "n");
  EXPECT_EQ(message.reply_to, "other");
  const auto& rest = message.embed.at("chain").as_array();
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].at("task"), "last");
  EXPECT_EQ(rest[0].at("options").at("task_id"), "l");
}

TEST_F(Canvas, GivesEveryOptionOfASignatureToItsMessage) {
  const auto following = after(R"({"chain": [)" +
                               sig("t",
                                   "'kwargs': {'k': 1}, 'options': {'routing_key': 'rk', "
                                   "'priority': 7, 'countdown': 2.5, 'expires': 60, "
                                   "'time_limit': 30, 'soft_time_limit': 20.5, "
                                   "'shadow': 'name', 'ignore_result': true, "
                                   "'headers': {'x': 1}, 'group_id': 'g', 'group_index': 4, "
                                   "'link': [{'task': 'l'}], 'link_error': {'task': 'e'}, "
                                   "'chord': {'task': 'body'}, "
                                   "'stamped_headers': ['mon'], 'mon': 'm1'}") +
                               "]}");

  ASSERT_THAT(following.sent, SizeIs(1));
  EXPECT_EQ(following.sent[0].queue.str(), "rk");
  const auto& message = following.sent[0].message;
  EXPECT_EQ(message.kwargs, (json::object{{"k", 1}}));
  EXPECT_EQ(message.priority, 7);
  EXPECT_EQ(message.eta, kNow + std::chrono::milliseconds{2500});
  EXPECT_EQ(message.expires, kNow + std::chrono::seconds{60});
  EXPECT_EQ(message.time_limit, 30);
  EXPECT_EQ(message.soft_time_limit, 20.5);
  EXPECT_EQ(message.shadow, "name");
  EXPECT_TRUE(message.ignore_result);
  EXPECT_EQ(message.group, "g");
  EXPECT_EQ(group_index_of(message), 4);
  EXPECT_EQ(message.extra_headers.at("x"), 1);
  EXPECT_EQ(message.extra_headers.at("stamps"), (json::object{{"mon", "m1"}}));
  EXPECT_EQ(message.embed.at("callbacks").at(0).at("task"), "l");
  EXPECT_EQ(message.embed.at("errbacks").at(0).at("task"), "e");
  EXPECT_EQ(message.embed.at("chord").at("task"), "body");
}

TEST_F(Canvas, ReadsTheTypedInstantsOfKombu) {
  const auto following =
      after(R"({"chain": [)" +
            sig("t",
                "'options': {'eta': {'__type__': 'datetime', '__value__': "
                "'2030-01-02T03:04:05.678901+00:00'}, 'expires': '2030-01-02T04:00:00'}") +
            "]}");
  EXPECT_EQ(following.sent[0].message.eta, parse_iso8601("2030-01-02T03:04:05.678901+00:00"));
  EXPECT_EQ(following.sent[0].message.expires, parse_iso8601("2030-01-02T04:00:00Z"));
}

TEST_F(Canvas, CarriesStampsToChildrenAndLetsTheirOwnGoFirst) {
  auto task = finished(R"({"callbacks": [)" +
                       sig("cb", "'options': {'stamped_headers': ['b'], 'b': 'own'}") + "]}");
  task.extra_headers["stamped_headers"] = {"a", "b", "unnamed"};
  task.extra_headers["stamps"] = {{"a", "1"}, {"b", "2"}, {"not listed", 3}};

  const auto following = after(task);
  EXPECT_EQ(to_json(following.sent[0].message.extra_headers),
            R"({"stamped_headers": ["a", "b"], "stamps": {"a": "1", "b": "own"}})");
}

TEST_F(Canvas, AppliesAGroupAtTheEndOfAChain) {
  const auto following =
      after(R"({"chain": [)" +
            sig("celery.group", "'subtask_type': 'group', 'kwargs': {'tasks': [" +
                                    sig("a", "'args': [1]") + "," + sig("b") +
                                    "]}, 'options': {'task_id': 'gid', "
                                    "'queue': 'all'}") +
            "]}");

  EXPECT_THAT(calls(following), ElementsAre("a[7, 1] all", "b[7] all"));
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(following.sent[static_cast<std::size_t>(i)].message.group, "gid");
    EXPECT_EQ(group_index_of(following.sent[static_cast<std::size_t>(i)].message), i);
  }
  ASSERT_THAT(following.children, SizeIs(1));
  EXPECT_EQ(following.children[0].id, "gid");
  EXPECT_THAT(following.children[0].members, SizeIs(2));
}

// As captured: chain(a, group(b, c), d).
const std::string kUpgraded =
    R"({"chain": [{"task": "celery.chord", "args": [], "kwargs": {"kwargs": {}, "header":
    {"task": "celery.group", "args": [], "kwargs": {"tasks": [
      {"task": "b", "args": [], "kwargs": {}, "options": {"task_id": "bid", "group_id": "gid", "group_index": 0}, "subtask_type": null, "immutable": false},
      {"task": "c", "args": [9], "kwargs": {}, "options": {"task_id": "cid", "group_id": "gid", "group_index": 1}, "subtask_type": null, "immutable": false}]},
      "options": {"task_id": "gid"}, "subtask_type": "group", "immutable": false},
    "body": {"task": "d", "args": [], "kwargs": {}, "options": {"task_id": "did", "link_error": [{"task": "err"}]}, "subtask_type": null, "immutable": false}},
    "options": {"task_id": "did"}, "subtask_type": "chord", "immutable": false}]})";

TEST_F(Canvas, AppliesAChordAndHasItUnlocked) {
  const auto following = after(kUpgraded);

  ASSERT_THAT(calls(following),
              ElementsAre("b[7] of b", "c[7, 9] of c", HasSubstr("chord_unlock")));
  for (const std::size_t i : {0U, 1U}) {
    const auto& message = following.sent[i].message;
    EXPECT_EQ(message.group, "gid");
    EXPECT_EQ(group_index_of(message), static_cast<std::int64_t>(i));
    EXPECT_EQ(message.embed.at("chord").at("task"), "d");
    EXPECT_EQ(message.embed.at("chord").at("options").at("task_id"), "did");
  }
  const auto& unlock = following.sent[2];
  EXPECT_EQ(unlock.queue.str(), "own");
  EXPECT_EQ(unlock.message.args.at(0), "gid");
  EXPECT_EQ(unlock.message.args.at(1).at("task"), "d");
  EXPECT_EQ(to_json(unlock.message.kwargs.at("result")),
            R"([[["bid", null], null], [["cid", null], null]])");
  EXPECT_TRUE(unlock.message.eta > kNow);
  EXPECT_THAT(following.chords, IsEmpty());
  EXPECT_THAT(following.children, ElementsAre(ResultTree{"did"}));
}

TEST_F(Canvas, TellsTheSizeOfAChordThatIsCountedElsewhere) {
  around.chords_are_counted = true;
  const auto following = after(kUpgraded);

  EXPECT_THAT(following.sent, SizeIs(2));
  ASSERT_THAT(following.chords, SizeIs(1));
  EXPECT_EQ(following.chords[0].size, 2U);
  EXPECT_EQ(following.chords[0].header.id, "gid");
  EXPECT_FALSE(following.chords[0].nested);
}

TEST_F(Canvas, RunsTheBodyOfAChordWithoutAHeader) {
  const auto following = after(
      R"({"chain": [{"task": "celery.chord", "subtask_type": "chord", "kwargs": {"header": [], "body": {"task": "d"}}}]})");
  EXPECT_THAT(calls(following), ElementsAre("d[[]] of d"));
}

TEST_F(Canvas, GivesTheRestOfTheChainToTheBodyOfAChord) {
  const auto following =
      after(R"({"chain": [{"task": "end", "options": {"task_id": "e"}}, {"task": "celery.chord",
      "subtask_type": "chord", "kwargs": {"header": [{"task": "h"}], "body": {"task": "d"}}}]})");

  const auto& body = following.sent[0].message.embed.at("chord");
  ASSERT_THAT(body.at("options").at("chain").as_array(), SizeIs(1));
  TaskMessage part = following.sent[0].message;
  const auto then = chord_body(part, {1, 2}, around);
  ASSERT_TRUE(then) << then.error().what;
  EXPECT_THAT(calls(*then), ElementsAre("d[[1, 2]] of d"));
  EXPECT_EQ(then->sent[0].message.embed.at("chain").at(0).at("task"), "end");
  EXPECT_FALSE(then->sent[0].message.embed.contains("chord"));
}

TEST_F(Canvas, SynchronisesAHeaderWithTheLastTaskOfItsChains) {
  around.chords_are_counted = true;
  const auto following = after(R"({"chain": [{"task": "celery.chord", "subtask_type": "chord",
      "kwargs": {"body": {"task": "d"}, "header": [
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [{"task": "a"}, {"task": "b"}]}},
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [{"task": "e"},
          {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [{"task": "f"}, {"task": "g"}]}}]}},
        {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [{"task": "x"}, {"task": "y"}]}}]}}]})");

  EXPECT_THAT(calls(following), ElementsAre("a[7] of a", "e[7] of e", "x[7] of x", "y[7] of y"));
  ASSERT_THAT(following.chords, SizeIs(1));
  EXPECT_EQ(following.chords[0].size, 5U);  // b; f, g; x; y
  EXPECT_TRUE(following.chords[0].nested);
  const auto& first = following.sent[0].message;
  EXPECT_EQ(first.group, "");
  EXPECT_FALSE(first.embed.contains("chord"));
  const auto& last = first.embed.at("chain").at(0).at("options");
  EXPECT_EQ(last.at("group_id"), following.chords[0].header.id.c_str());
  EXPECT_EQ(last.at("chord").at("task"), "d");
  EXPECT_EQ(following.chords[0].header.members[0].id, last.at("task_id").as_string().c_str());
  const auto& inner = following.sent[1].message.embed.at("chain").at(0);
  EXPECT_EQ(inner.at("kwargs").at("tasks").at(1).at("options").at("chord").at("task"), "d");
}

TEST_F(Canvas, PreparesAChainThatNobodyHasPrepared) {
  const auto following = after(R"({"callbacks": [{"task": "celery.chain", "subtask_type": "chain",
      "options": {"task_id": "end", "link_error": [{"task": "err"}], "link": [{"task": "then"}]},
      "kwargs": {"tasks": [{"task": "a"},
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": [{"task": "b"}]}},
        {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [{"task": "c"}, {"task": "d"}]}},
        {"task": "f"}]}}]})");

  EXPECT_THAT(calls(following), ElementsAre("a[7] of a"));
  const auto& message = following.sent[0].message;
  EXPECT_EQ(message.embed.at("errbacks").at(0).at("task"), "err");
  const auto& rest = message.embed.at("chain").as_array();
  ASSERT_THAT(rest, SizeIs(2));
  EXPECT_EQ(rest[1].at("task"), "b");
  EXPECT_EQ(rest[0].at("task"), "celery.chord");
  const auto& body = rest[0].at("kwargs").at("body");
  EXPECT_EQ(body.at("task"), "f");
  EXPECT_EQ(body.at("options").at("task_id"), "end");
  EXPECT_EQ(body.at("options").at("link").at(0).at("task"), "then");
}

TEST_F(Canvas, MakesTheSameIdsWhenItIsAskedAgain) {
  const std::string embed = R"({"callbacks": [{"task": "a"}, {"task": "b"}]})";
  const auto once = after(embed), again = after(embed);
  auto other = finished(embed);
  other.id = TaskId{"q"};
  const auto another = after(other);
  std::set<std::string> all;
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(once.sent[i].message, again.sent[i].message);
    all.insert(once.sent[i].message.id.str());
    all.insert(another.sent[i].message.id.str());
  }
  EXPECT_THAT(all, SizeIs(4));
}

TEST_F(Canvas, SendsBuiltInTasksWhereTheyCanRun) {
  const auto following = after(
      R"({"callbacks": [{"task": "celery.starmap", "immutable": true, "kwargs": {"task": {"task": "mine"}, "it": [[1, 2]]}},
      {"task": "celery.accumulate"}]})");
  EXPECT_EQ(following.sent[0].queue.str(), "of mine");
  EXPECT_EQ(following.sent[1].queue.str(), "own");
}

TEST_F(Canvas, CallsErrbacksWithTheIdAndFailsTheRestOfTheChain) {
  const auto done = after_failure(
      finished(R"({"errbacks": [{"task": "e1"}, {"task": "e2", "immutable": true, "args": [1]}],
      "chain": [{"task": "z", "options": {"task_id": "zid", "chord": {"task": "outer"}, "group_id": "og", "group_index": 3}},
        {"task": "celery.chord", "subtask_type": "chord", "kwargs": {
          "header": [{"task": "h", "options": {"task_id": "hid", "chord": {"task": "inner"}, "group_id": "ig"}}],
          "body": {"task": "y", "options": {"task_id": "yid"}}}},
        {"task": "nameless"}, {"task": "x", "options": {"task_id": "xid"}}]})"),
      around);

  ASSERT_TRUE(done) << done.error().what;
  EXPECT_THAT(calls(*done), ElementsAre(R"(e1["p"] of e1)", "e2[1] of e2"));
  EXPECT_EQ(done->sent[0].message.parent_id, "p");
  EXPECT_NE(done->sent[0].message.group, "");
  EXPECT_THAT(ids(done->fallen), ElementsAre("xid", "hid", "yid", "zid"));
  EXPECT_FALSE(done->fallen[1].embed.contains("chord")) << "its body falls with it";
  const auto& last = done->fallen[3];
  EXPECT_EQ(last.group, "og");
  EXPECT_EQ(group_index_of(last), 3);
  EXPECT_EQ(last.embed.at("chord").at("task"), "outer");
  EXPECT_EQ(last.reply_to, "caller");
}

TEST_F(Canvas, FailsTheBodyOfAChordAndWhatFollowsIt) {
  auto part = finished(R"({"chord": {"task": "d", "options": {"task_id": "did",
      "link_error": [{"task": "err"}], "chain": [{"task": "e", "options": {"task_id": "eid"}}]}}})");
  part.group = "g";

  const auto done = chord_failure(part, around);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_THAT(calls(*done), ElementsAre(R"(err["did"] of err)"));
  EXPECT_THAT(ids(done->fallen), ElementsAre("did", "eid"));
}

TEST_F(Canvas, AppliesASignatureForABuiltInTask) {
  const auto done = applied(finished("{}"), parsed(sig("t", "'args': [1]")), {2}, around);
  ASSERT_TRUE(done);
  EXPECT_THAT(calls(*done), ElementsAre("t[2, 1] of t"));
}

TEST_F(Canvas, RefusesMoreThanItsBounds) {
  // A group of 200, each with a result of a megabyte.
  json::array members;
  for (int i = 0; i < 200; ++i) members.emplace_back(json::object{{"task", "t"}});
  auto task = finished("{}");
  task.embed["callbacks"] = json::array{json::object{
      {"task", "celery.group"}, {"subtask_type", "group"}, {"kwargs", {{"tasks", members}}}}};
  const auto large = after_success(task, json::string(1'000'000, 'x'), around);
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().what, HasSubstr("more than 134217728 bytes"));

  json::value deep = 1;
  for (std::size_t i = 0; i < kMaxDepth - 2; ++i) deep = json::array{deep, 0};
  const auto nested = after_success(finished(R"({"callbacks": [{"task": "t"}]})"), deep, around);
  ASSERT_FALSE(nested);
  EXPECT_THAT(nested.error().what, HasSubstr("nested deeper than 64"));
}

struct BadSignature {
  const char* name;
  const char* embed;
  const char* says;
};
void PrintTo(const BadSignature& bad, std::ostream* out) { *out << bad.name; }

class BadCanvas : public Canvas, public ::testing::WithParamInterface<BadSignature> {};

TEST_P(BadCanvas, IsRefusedWithThePlace) {
  const auto task = finished(GetParam().embed);
  const auto checked = check_canvas(task);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Errc::Invalid);
  EXPECT_THAT(checked.error().what, HasSubstr(GetParam().says));
  EXPECT_THAT(fallen_with(task), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadCanvas,
    ::testing::Values(
        BadSignature{"no_name", "{'callbacks': [{'args': []}]}", "callbacks[0] has no task name"},
        BadSignature{"number", "{'chain': [{'task': 't'}, 5]}", "chain[1] is the number 5"},
        BadSignature{"text", "{'errbacks': 'x'}", "errbacks is a string (allowed: null, or a list"},
        BadSignature{"args", "{'chain': [{'task': 't', 'args': {}}]}",
                     "chain[0].args is an object (allowed: a list)"},
        BadSignature{"kwargs", "{'chain': [{'task': 't', 'kwargs': []}]}", "chain[0].kwargs"},
        BadSignature{"immutable", "{'chain': [{'task': 't', 'immutable': 1}]}", "[0].immutable"},
        BadSignature{"options", "{'chain': [{'task': 't', 'options': []}]}", "chain[0].options is"},
        BadSignature{"link",
                     "{'chain': [{'task': 't', 'options': {'link': [{'task': 'u', "
                     "'options': {'link_error': [{}]}}]}}]}",
                     "chain[0].options.link[0].options.link_error[0] has no task name"},
        BadSignature{"id", "{'chain': [{'task': 't', 'options': {'task_id': ''}}]}",
                     "chain[0].options.task_id is empty"},
        BadSignature{"eta", "{'chain': [{'task': 't', 'options': {'eta': 'soon'}}]}",
                     "chain[0].options.eta is a string (allowed: an ISO 8601 text)"},
        BadSignature{"countdown", "{'chain': [{'task': 't', 'options': {'countdown': '1'}}]}",
                     "options.countdown is a string (allowed: a number of seconds)"},
        BadSignature{"priority", "{'chain': [{'task': 't', 'options': {'priority': 1.5}}]}",
                     "options.priority is the number 1.5"},
        BadSignature{"stamps", "{'chain': [{'task': 't', 'options': {'stamped_headers': [1]}}]}",
                     "options.stamped_headers[0] is the number 1"},
        BadSignature{"group", "{'chain': [{'task': 'celery.group', 'subtask_type': 'group'}]}",
                     "chain[0] is a celery.group without kwargs.tasks"},
        BadSignature{"member",
                     "{'chain': [{'task': 'celery.group', 'subtask_type': 'group', "
                     "'kwargs': {'tasks': [{'task': 't'}, null, {}]}}]}",
                     "chain[0].kwargs.tasks[1] is null (allowed: a signature)"},
        BadSignature{"body",
                     "{'chain': [{'task': 'celery.chord', 'subtask_type': 'chord', "
                     "'kwargs': {'header': []}}]}",
                     "chain[0] is a chord without kwargs.body"},
        BadSignature{"header",
                     "{'chain': [{'task': 'celery.chord', 'subtask_type': 'chord', "
                     "'kwargs': {'header': [1], 'body': {'task': 't'}}}]}",
                     "chain[0].kwargs.header[0] is the number 1"},
        BadSignature{"chord", "{'chord': []}", "chord is a list (allowed: a signature)"}),
    [](const auto& test) { return std::string{test.param.name}; });

TEST(SignatureDocument, IsWrittenAsItCame) {
  const auto document = parsed(
      R"({"task": "celery.chord", "args": [1], "kwargs": {"kwargs": {"k": 2}, "header":
      {"task": "celery.group", "args": [], "kwargs": {"tasks": [{"task": "a", "args": [], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": true}]}, "options": {"task_id": "g"}, "subtask_type": "group", "immutable": false},
      "body": {"task": "b", "args": [], "kwargs": {}, "options": {"custom": [1]}, "subtask_type": null, "immutable": false}},
      "options": {"task_id": "x"}, "subtask_type": "chord", "immutable": false, "chord_size": 3})");
  const auto read = read_signature(document, "it");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(json::value(document_of(*read)), document);
}

TEST(SignatureDocument, TakesATaskTypeThatItDoesNotKnowForATask) {
  const auto document = parsed(
      R"({"task": "t", "args": [], "kwargs": {}, "options": {}, "subtask_type": "new", "immutable": false})");
  const auto read = read_signature(document, "it");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, Signature::Kind::Task);
  EXPECT_EQ(json::value(document_of(*read)), document);
}

}  // namespace
}  // namespace umbel::celery
