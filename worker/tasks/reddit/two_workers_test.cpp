// Two umbel-worker processes over one store share one rate budget: Reddit never has to refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/cli/child.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/http/client.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using testing::eventually;
using ::testing::SizeIs;

constexpr std::int64_t kLimit = 8;
constexpr std::chrono::seconds kWindow{2};

std::string at(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

class TwoWorkers : public ::testing::TestWithParam<const char*> {
 protected:
  // The shell becomes the program, and what it prints goes to a file.
  void start(const std::string& name, std::vector<std::string> words) {
    ChildCommand command;
    command.argv = {"sh", "-c", R"(exec "$@" >>"$0" 2>&1)", dir.file(name + ".log"),
                    std::string{UMBEL_BIN_DIR} + "/" + words.at(0)};
    command.argv.insert(command.argv.end(), words.begin() + 1, words.end());
    auto child = Child::spawn(command);
    ASSERT_TRUE(child.has_value()) << child.error().what;
    children.push_back(std::move(*child));
  }
  void start_reddit() {
    start("reddit",
          {"umbel-reddit-simulator", "--port=" + std::to_string(reddit_port), "--subreddits=cpp",
           "--rate=0.05", "--history=500", "--rate-limit=" + std::to_string(kLimit),
           "--public-rate-limit=" + std::to_string(kLimit),
           "--rate-window=" + std::to_string(kWindow.count()), "--ledger=" + ledger,
           "--latency-median=10", "--latency-p99=100"});
    ASSERT_TRUE(answers(reddit_port)) << log_of("reddit");
  }
  void start_worker(const std::string& name) {
    const auto port = testing::free_port();
    const auto reddit = at(reddit_port);
    start(name,
          {"umbel-worker", "--broker=sqlite:" + dir.file("broker.db"),
           "--store=sqlite:" + dir.file("store.db"), "--hostname=" + name + "@here",
           "--concurrency=4", "--prefetch-multiplier=1", "--metrics-port=" + std::to_string(port),
           "--reddit-simulated", std::string{"--reddit-source="} + GetParam(),
           "--reddit-client-id=umbel", "--reddit-client-secret=s3cret",
           "--reddit-token-url=" + reddit + "/api/v1/access_token", "--reddit-api-url=" + reddit,
           "--reddit-public-url=" + reddit});
    ASSERT_TRUE(answers(port)) << log_of(name);
  }
  static bool answers(std::uint16_t port) {
    return eventually(
        [&] {
          http::Client client;
          http::ClientRequest request;
          request.url = at(port) + "/readyz";
          const auto answer = client.send(request);
          return answer && answer->status == 200;
        },
        30s);
  }
  std::string log_of(const std::string& name) {
    std::ifstream file{dir.file(name + ".log")};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  json::value told() const {
    http::Client client;
    http::ClientRequest request;
    request.url = at(reddit_port) + "/ledger";
    const auto answer = client.send(request);
    if (!answer) throw std::runtime_error{answer.error().what};
    return json::parse(answer->body);
  }
  // How many requests each window had, by Reddit's own record: the first of a window begins it.
  [[nodiscard]] std::vector<std::int64_t> windows() const {
    std::vector<std::int64_t> instants;
    std::ifstream file{ledger};
    for (std::string text; std::getline(file, text);) {
      if (text.empty()) continue;
      const auto line = json::parse(text);
      const auto& request = line.at("request").as_string();
      if (request == "listing" || request == "submission" || request == "refused") {
        instants.push_back(line.at("at").as_int64());
      }
    }
    std::sort(instants.begin(), instants.end());
    std::vector<std::int64_t> counts;
    std::int64_t end = 0;
    for (const std::int64_t instant : instants) {
      if (instant >= end) {
        counts.push_back(0);
        end = instant + std::chrono::microseconds{kWindow}.count();
      }
      ++counts.back();
    }
    return counts;
  }

  testing::TempDir dir;
  std::string ledger = dir.file("ledger.jsonl");
  std::uint16_t reddit_port = testing::free_port();
  SystemClock clock;
  std::vector<Child> children;  // killed before their folder goes
};

TEST_P(TwoWorkers, ShareTheRateBudget) {
  auto store = open_sqlite_store({dir.file("store.db")}, clock, Log::none()).value();
  auto broker = open_sqlite_broker({.path = dir.file("broker.db")}, clock, Log::none()).value();
  start_reddit();
  start_worker("one");
  start_worker("two");
  Enqueuer enqueuer{*store, *broker, clock, Log::none(), "gen1@test"};
  TaskRequest request;
  request.name = "reddit.discover";
  request.args = R"(["cpp"])";
  request.queue = QueueName{"reddit"};
  ASSERT_TRUE(enqueuer.submit(std::span{&request, 1}).has_value());

  const auto all_is_stored = [&] {
    const auto listed = told().at("listed").as_array().size();
    return listed > 0 && store->submissions().count().value() >= listed;
  };
  ASSERT_TRUE(eventually(all_is_stored, 60s)) << log_of("one") << log_of("two");

  const auto ledger_now = told();
  EXPECT_EQ(ledger_now.at("limited").to_number<int>(), 0) << "requests beyond the limit";
  EXPECT_EQ(ledger_now.at("refused").to_number<int>(), 0);
  const bool api = std::string{GetParam()} == "api";
  EXPECT_EQ(ledger_now.at("tokens_issued").to_number<int>(), api ? 1 : 0) << "one for both";
  const auto counts = windows();
  EXPECT_GE(counts.size(), 3U);
  for (const auto count : counts) EXPECT_LE(count, kLimit);
  EXPECT_GE(*std::max_element(counts.begin(), counts.end()), kLimit / 2) << "it was used";

  std::set<std::string> workers;
  for (const auto& one : ledger_now.at("listed").as_array()) {
    const std::string name{one.at("fullname").as_string()};
    const TaskId id{named_uuid("fetch|" + name)};
    const auto result = [&] { return store->results().find(id); };
    ASSERT_TRUE(eventually([&] { return result() && is_final(result()->state); }, 30s)) << name;
    EXPECT_EQ(result()->state, TaskState::Success) << name << result()->result;
    workers.insert(result()->worker);
  }
  EXPECT_THAT(workers, SizeIs(2)) << "both had a part in it";
}

INSTANTIATE_TEST_SUITE_P(OfASource, TwoWorkers, ::testing::Values("api", "scrape"),
                         [](const auto& one) { return std::string{one.param}; });

}  // namespace
}  // namespace umbel
