// `umbel up --broker amqp://…`: the whole demonstration on a real RabbitMQ, a Celery worker beside
// it, through an outage of the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>
#include <set>
#include <sstream>

#include "stack_stand.hpp"
#include "umbel/http/message.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel::e2e {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using umbel::testing::CeleryApp;
using umbel::testing::eventually;
using umbel::testing::RabbitServer;

constexpr const char* kUser = "demonstration";
constexpr const char* kPassword = "never-to-be-printed";

class RabbitStackTest : public StackTest {
 protected:
  RabbitStackTest() {
    rabbit_.add_user(kUser, kPassword);
    rabbit_.set_permissions(kUser, vhost_, ".*", ".*", ".*");
  }

  // The page's data once `holds` does, or as it was last.
  json::value overview_once(const std::function<bool(const json::value&)>& holds, seconds limit) {
    json::value overview;
    static_cast<void>(eventually(
        [&] {
          const auto answer = get(5555, "/api/overview");
          if (!answer || answer->status != 200) return false;
          overview = json::parse(answer->body);
          return holds(overview);
        },
        limit));
    return overview;
  }

  static std::set<std::string> workers_online(const json::value& overview) {
    std::set<std::string> names;
    for (const auto& worker : overview.at("workers").as_array()) {
      if (worker.at("status") != "online") continue;
      const std::string name{worker.at("name").as_string()};
      names.insert(name.substr(0, name.find('@')));
    }
    return names;
  }

  // The result of a task sent through the page's API, or why there is none.
  std::string outcome(const std::string& task, const std::string& body) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = url(5555, "/api/task/async-apply/" + task);
    request.body = body;
    const auto accepted = send(request);
    if (!accepted || accepted->status != 200) {
      return accepted ? accepted->body : accepted.error().what;
    }
    const std::string id{json::parse(accepted->body).at("task-id").as_string()};
    std::string last;
    static_cast<void>(eventually(
        [&] {
          const auto info = get(5555, "/api/task/info/" + id);
          if (!info || info->status != 200) return false;
          last = info->body;
          const auto told = json::parse(last);
          if (told.at("state") != "SUCCESS") return false;
          last = std::string{told.at("result").as_string()};
          return true;
        },
        seconds{30}));
    return last;
  }

  static std::string command_line(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/cmdline"};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  RabbitServer rabbit_;
  const std::string vhost_ = rabbit_.fresh_vhost();
  const std::string url_ = "amqp://" + std::string{kUser} + ":" + kPassword +
                           "@127.0.0.1:" + std::to_string(rabbit_.port()) + "/" + vhost_;
};

TEST_F(RabbitStackTest, RunsBesideCeleryThroughAnOutage) {
  CeleryApp celery{{.broker = rabbit_.url(vhost_), .backend = ""}};
  const auto celery_worker = celery.worker({});
  start({{"UMBEL_BROKER", url_}});

  const std::set<std::string> all{"py1", "worker-1", "worker-2"};
  const auto up = [&](const json::value& page) {
    return !page.at("submissions").as_array().empty() && workers_online(page) == all;
  };
  const auto overview = overview_once(up, seconds{60});
  ASSERT_TRUE(up(overview)) << overview;
  EXPECT_EQ(outcome("add", R"({"args": [20, 22]})"), "42");
  EXPECT_EQ(outcome("py.add", R"({"args": [2, 3]})"), "5");

  // The password is in nobody's output, nor on a command line that everyone may read.
  EXPECT_THAT(output_, HasSubstr("Broker: amqp://demonstration"));
  EXPECT_THAT(output_, Not(HasSubstr(kPassword)));
  const auto started = pids();
  ASSERT_EQ(started.size(), 6U) << output_;
  for (const pid_t pid : started) EXPECT_THAT(command_line(pid), Not(HasSubstr(kPassword)));

  rabbit_.kill();
  const auto blind = [](const json::value& page) {
    return page.at("truth").at("level") == "unknown";
  };
  const auto out = overview_once(blind, seconds{60});
  ASSERT_TRUE(blind(out)) << out;
  EXPECT_THAT(std::string{out.at("truth").at("text").as_string()}, HasSubstr("RabbitMQ"));
  rabbit_.start();

  const auto seeing = [&](const json::value& page) {
    return !blind(page) && workers_online(page) == all;
  };
  const auto back = overview_once(seeing, seconds{90});
  ASSERT_TRUE(seeing(back)) << back;
  EXPECT_EQ(outcome("add", R"({"args": [1, 2]})"), "3");
  EXPECT_EQ(outcome("py.add", R"({"args": [3, 4]})"), "7");
  // Submissions go on: one that was not there before.
  std::set<std::string> known;
  for (const auto& each : out.at("submissions").as_array()) {
    known.emplace(each.at("fullname").as_string());
  }
  const auto newer = [&](const json::value& page) {
    return std::ranges::any_of(page.at("submissions").as_array(), [&](const json::value& each) {
      return !known.contains(std::string{each.at("fullname").as_string()});
    });
  };
  EXPECT_TRUE(newer(overview_once(newer, seconds{60})));

  up_->signal(SIGINT);
  EXPECT_TRUE(
      eventually([&] { return printed("Stopped.") && up_->ended().has_value(); }, seconds{15}));
  EXPECT_EQ(up_->ended(), "exit status 0");
  EXPECT_THAT(output_, Not(HasSubstr("was killed")));
  EXPECT_THAT(output_, Not(HasSubstr(kPassword)));
}

}  // namespace
}  // namespace umbel::e2e
