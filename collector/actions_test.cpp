// Retry and revoke over HTTP, and the log of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_session.hpp"
#include "test_events.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

class ActionsTest : public CollectorSession {
 protected:
  void SetUp() override { start(); }

  TaskId submit(const std::string& args = "[1, \"two\"]", const std::string& kwargs = "{}") {
    TaskRequest request;
    request.name = "demo.add";
    request.args = args;
    request.kwargs = kwargs;
    request.queue = QueueName{"mail"};
    return enqueuer.submit({&request, 1}).value().front().id;
  }
  void end(const TaskId& id) {
    FinishedRun run;
    run.id = id;
    run.name = "demo.add";
    run.queue = QueueName{"mail"};
    run.state = TaskState::Failure;
    run.result = R"({"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"})";
    run.worker = "w1@host";
    run.done = now();
    ASSERT_TRUE(engines.store->results().finish({&run, 1}).value().front().stored);
  }
  json::object act(const std::string& path, const std::vector<std::string>& ids) {
    const auto response = ask(
        path, "POST", json::serialize(json::object{{"ids", json::array(ids.begin(), ids.end())}}));
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body).as_object();
  }
  std::string why(const json::object& answer, std::size_t at = 0) {
    return std::string{answer.at("refused").at(at).at("why").as_string()};
  }
  json::array audit(const std::string& query = "") {
    return ask_json("/api/audit" + query).at("entries").as_array();
  }
  TaskState state_of(const std::string& id) {
    return engines.store->results().find(TaskId{id}).value().state;
  }
};

TEST_F(ActionsTest, a_retry_is_a_new_task_of_the_same_name_arguments_and_queue) {
  const auto id = submit("[1, \"two\"]", R"({"x": [null]})");
  end(id);
  const auto answer = act("/api/tasks/retry", {id.str()});
  ASSERT_EQ(answer.at("done").as_array().size(), 1U) << json::serialize(answer);
  const auto made = std::string{answer.at("done").at(0).at("new_id").as_string()};
  EXPECT_NE(made, id.str());
  const auto found = engines.store->results().find(TaskId{made}).value();
  EXPECT_EQ(found.name, "demo.add");
  EXPECT_EQ(found.queue, QueueName{"mail"});
  EXPECT_EQ(found.state, TaskState::Pending);
  const auto body = engines.store->results().arguments(TaskId{made})->body.value();
  EXPECT_THAT(body, HasSubstr(R"([[1, "two"], {"x": [null]})"));
  const auto lines = audit();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].at("action").as_string(), "task.retry");
  EXPECT_EQ(lines[0].at("object").as_string(), id.str());
  EXPECT_EQ(lines[0].at("detail").as_string(), made) << "the link from old to new";
  EXPECT_EQ(lines[0].at("outcome").as_string(), "done");
  EXPECT_EQ(lines[0].at("who").as_string(), "127.0.0.1");
}

TEST_F(ActionsTest, what_cannot_be_retried_is_refused_with_the_reason_and_the_others_are_done) {
  const auto waits = submit();
  const auto large = submit("[\"" + std::string(kKeptBody, 'x') + "\"]");
  end(large);
  const auto fine = submit();
  end(fine);
  engines.finish("foreign", "1");
  const auto answer =
      act("/api/tasks/retry", {waits.str(), large.str(), fine.str(), "foreign", "unknown"});
  EXPECT_EQ(answer.at("done").as_array().size(), 1U);
  EXPECT_THAT(why(answer, 0), HasSubstr("has not ended"));
  EXPECT_THAT(why(answer, 1), HasSubstr("at most 65536"));
  EXPECT_THAT(why(answer, 2), HasSubstr("arguments are not known"));
  EXPECT_THAT(why(answer, 3), HasSubstr("no task has the id"));
  EXPECT_EQ(audit().size(), 5U) << "refusals too";
}

TEST_F(ActionsTest, a_waiting_task_is_revoked_and_a_running_or_ended_one_is_not) {
  const auto waits = submit();
  const auto runs = submit();
  const auto ended = submit();
  end(ended);
  const NamedTask begun{runs, "demo.add", QueueName{"mail"}};
  ASSERT_TRUE(engines.store->results().begin({&begun, 1}));
  const auto answer = act("/api/tasks/revoke", {waits.str(), runs.str(), ended.str(), "unknown"});
  ASSERT_EQ(answer.at("done").as_array().size(), 1U);
  EXPECT_EQ(answer.at("done").at(0).at("id").as_string(), waits.str());
  EXPECT_THAT(why(answer, 0), HasSubstr("it runs already"));
  EXPECT_THAT(why(answer, 1), HasSubstr("it has ended"));
  EXPECT_THAT(why(answer, 2), HasSubstr("no task has the id"));
  EXPECT_EQ(state_of(waits.str()), TaskState::Revoked);
  const auto status = ask_json("/task/status/" + waits.str());
  EXPECT_EQ(status.at("status").as_string(), "REVOKED");
  EXPECT_EQ(status.at("result").at("exc_type").as_string(), "TaskRevokedError");
}

TEST_F(ActionsTest, a_delayed_task_and_a_foreign_one_are_revoked_as_well) {
  TaskRequest request;
  request.name = "demo.add";
  request.eta = now() + std::chrono::hours{1};
  const auto delayed = enqueuer.submit({&request, 1}).value().front().id;
  engines.publish({received("foreign", now())});
  ASSERT_TRUE(testing::eventually([&] { return ask("/api/task/info/foreign").status == 200; }));
  const auto answer = act("/api/tasks/revoke", {delayed.str(), "foreign"});
  EXPECT_EQ(answer.at("done").as_array().size(), 2U) << json::serialize(answer);
  EXPECT_EQ(state_of("foreign"), TaskState::Revoked);
}

TEST_F(ActionsTest, answers_flowers_revoke_and_terminate_is_more_not_less) {
  const auto waits = submit().str();
  EXPECT_EQ(ask("/api/task/revoke/" + waits, "POST", "terminate=1&signal=INT").status, 200);
  EXPECT_EQ(state_of(waits), TaskState::Revoked) << "it needs nobody to kill it";
  const auto id = submit().str();
  EXPECT_EQ(ask("/api/task/revoke/" + id + "?terminate=perhaps", "POST").status, 400);
  EXPECT_EQ(state_of(id), TaskState::Pending);
  const auto done = ask("/api/task/revoke/" + id, "POST");
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(json::parse(done.body).at("message").as_string(), "Revoked '" + id + "'");
  EXPECT_EQ(ask("/api/task/revoke/" + id, "POST").status, 409);
  EXPECT_EQ(ask("/api/task/revoke/unknown", "POST").status, 404);
}

TEST_F(ActionsTest, a_body_that_names_no_tasks_is_refused_with_what_is_allowed) {
  const std::vector<std::string> bodies{
      "", "[]", "{}", R"({"ids": []})", R"({"ids": [1]})", R"({"ids": "x"})"};
  for (const std::string& body : bodies) {
    const auto response = ask("/api/tasks/retry", "POST", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr("1 to 1000 ids"));
  }
  const auto lines = audit();
  ASSERT_EQ(lines.size(), bodies.size()) << "who tried is noted, and why it was refused";
  EXPECT_EQ(lines.front().at("action"), "task.retry");
  EXPECT_THAT(std::string{lines.front().at("outcome").as_string()}, HasSubstr("1 to 1000 ids"));
}

TEST_F(ActionsTest, the_log_goes_page_by_page) {
  (void)act("/api/tasks/revoke", {"a", "b", "c"});
  const auto first = ask_json("/api/audit?limit=2");
  ASSERT_EQ(first.at("entries").as_array().size(), 2U);
  EXPECT_EQ(first.at("entries").at(0).at("object").as_string(), "c");
  const auto next = std::to_string(first.at("next").to_number<std::int64_t>());
  const auto second = ask_json("/api/audit?limit=2&before=" + next);
  ASSERT_EQ(second.at("entries").as_array().size(), 1U);
  EXPECT_EQ(second.at("entries").at(0).at("object").as_string(), "a");
  EXPECT_TRUE(second.at("next").is_null());
  EXPECT_EQ(audit("?object=b").size(), 1U);
  EXPECT_EQ(ask("/api/audit?limit=x").status, 400);
  EXPECT_EQ(ask("/api/audit?limit=0").status, 400);
}

TEST_F(ActionsTest, a_closed_collector_lets_nobody_act) {
  CollectorOptions options;
  options.address = "0.0.0.0";
  start(options);
  for (const auto* path :
       {"/api/tasks/retry", "/api/tasks/revoke", "/api/task/revoke/x", "/api/schedule/x/run",
        "/api/schedule/x/pause", "/api/schedule/x/resume"}) {
    EXPECT_EQ(ask(path, "POST", R"({"ids": ["x"]})").status, 401) << path;
  }
  for (const auto* path : {"/api/audit", "/api/schedule", "/api/schedule/x/ticks"}) {
    EXPECT_EQ(ask(path).status, 401) << path;
  }
}

}  // namespace
}  // namespace umbel::collector
