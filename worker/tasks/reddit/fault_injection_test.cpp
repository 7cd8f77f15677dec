// Every store and broker call of the Reddit tasks fails once, before and after it took effect:
// nothing is lost, nothing is there twice, and the watermark does not run ahead.
#include <gtest/gtest.h>

#include "reddit_testing.hpp"
#include "submission_builder.hpp"
#include "umbel/testing/faulty_broker.hpp"
#include "umbel/testing/faulty_store.hpp"

namespace umbel::reddit {
namespace {

namespace json = boost::json;

constexpr double kT = 1'700'000'000;

// Tries again as a worker would: what may pass, some times.
template <class Call>
json::value until_it_succeeds(const Call& call) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    try {
      return call();
    } catch (const FinalTaskError& error) {
      ADD_FAILURE() << "final: " << error.what();
      return nullptr;
    } catch (const TaskError&) {
    } catch (const RetryRequest&) {
    }
  }
  ADD_FAILURE() << "it did not outlive the fault";
  return nullptr;
}

http::Response reddit(const http::Request& request) {
  std::vector<json::object> all;
  for (const char* id : {"c", "b", "a"}) {
    all.push_back(submission_data(id, kT + static_cast<double>(all.size())));
  }
  http::Response response;
  if (request.path.starts_with("/comments/")) {
    for (const auto& one : all) {
      if (request.path == "/comments/" + std::string{one.at("id").as_string()} + "/") {
        response = http::json_response(comments_text({one}));
      }
    }
  } else {
    response = http::json_response(listing_text(all));
  }
  response.headers = {
      {"X-Ratelimit-Used", "1"}, {"X-Ratelimit-Remaining", "999"}, {"X-Ratelimit-Reset", "600"}};
  return response;
}

class RedditFaults : public ::testing::Test {
 protected:
  ScriptedReddit server{&reddit};
  RedditOptions options = server.options();
  metrics::Metrics metrics{"tasks_reddit_test"};
};

TEST_F(RedditFaults, DiscoverAndFetchOutliveEveryFailedCall) {
  testing::fail_each_call([&](testing::FaultPlan& plan) {
    testing::TempDir dir;
    testing::FakeClock clock;
    const auto store = open_sqlite_store({dir.file("umbel.db")}, clock, Log::none()).value();
    SqliteBrokerOptions broker_options;
    broker_options.path = dir.file("broker.db");
    const auto broker = open_sqlite_broker(broker_options, clock, Log::none()).value();
    testing::FaultyStore faulty{*store, plan};
    testing::FaultyBroker faulty_broker{*broker, plan};
    Enqueuer enqueuer{faulty, faulty_broker, clock, Log::none(), "gen1@test"};
    TaskRegistry tasks;
    add_reddit_tasks(tasks, options, faulty);
    const auto run = [&](const char* task, const std::string& argument) {
      BareContext context{enqueuer, metrics, clock};
      auto result = tasks.find(task)->call(context, {json::string{argument}}, {});
      // The budget's probe may be lost with its answer: it is replaced after 20 s.
      return result;
    };
    const auto outlive = [&](const char* task, const std::string& argument) {
      return until_it_succeeds([&] {
        clock.advance(std::chrono::seconds{21});
        return run(task, argument);
      });
    };

    static_cast<void>(outlive("reddit.discover", "cpp"));
    for (const char* id : {"a", "b", "c"}) {
      static_cast<void>(outlive("reddit.fetch_submission", std::string{"/comments/"} + id));
    }

    const std::vector<std::string> names{"t3_a", "t3_b", "t3_c"};
    EXPECT_EQ(store->submissions().sighted(names).value(), (std::vector<bool>{true, true, true}));
    EXPECT_EQ(store->submissions().count().value(), 3U);
    EXPECT_EQ(store->submissions().watermark("cpp").value(), from_unix_seconds(kT + 2));
    for (const auto& name : names) {
      const auto task = store->results().find(TaskId{named_uuid("fetch|" + name)});
      EXPECT_TRUE(task.has_value()) << name << " has no task";
    }
    // What was not published is in the outbox, for any relay.
    std::size_t waiting = 0;
    const auto queues = broker->queues();
    for (const auto& queue : queues.value()) waiting += queue.ready;
    waiting += store->outbox().unpublished(clock.wall() + std::chrono::seconds{1}, 10)->size();
    EXPECT_GE(waiting, 3U);
  });
}

}  // namespace
}  // namespace umbel::reddit
