// A task sent from the page lands where somebody has it.
#include "serving_queue.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace umbel::collector {
namespace {

namespace json = boost::json;

Inspection worker(std::initializer_list<std::string_view> registered,
                  std::initializer_list<std::string_view> queues) {
  json::array names, taken;
  for (const auto each : registered) names.emplace_back(each);
  for (const auto each : queues) taken.emplace_back(json::object{{"name", each}});
  return {.at = {}, .answers = {{"registered", names}, {"active_queues", taken}}};
}

TEST(ServingQueue, IsOneOfAWorkerThatHasTheTask) {
  EXPECT_EQ(serving_queue("mail.send", {{"a", worker({"mail.send"}, {"mail"})},
                                        {"b", worker({"add"}, {"celery"})}}),
            QueueName{"mail"});
  EXPECT_EQ(serving_queue("add", {{"a", worker({"add [rate_limit=10/m]"}, {"sums"})}}),
            QueueName{"sums"});
}

TEST(ServingQueue, IsTheOneFromWhichMostOfThemTake) {
  EXPECT_EQ(serving_queue("add", {{"a", worker({"add"}, {"bulk", "fast"})},
                                  {"b", worker({"add"}, {"fast"})},
                                  {"c", worker({"other"}, {"bulk"})},
                                  {"d", worker({"other"}, {"bulk"})}}),
            QueueName{"fast"});
  EXPECT_EQ(serving_queue("add", {{"a", worker({"add"}, {"z", "y"})}}), QueueName{"y"});
}

TEST(ServingQueue, IsCelerysDefaultWhereNobodyHasItAndItIsTakenFrom) {
  EXPECT_EQ(serving_queue("new.task", {{"a", worker({"add"}, {"celery"})}}), QueueName{"celery"});
  EXPECT_EQ(serving_queue("new.task", {{"a", worker({"add"}, {"mail"})}}), std::nullopt);
  EXPECT_EQ(serving_queue("new.task", {}), std::nullopt);
}

TEST(ServingQueue, BearsAnswersOfAnotherForm) {
  const Inspection odd{.at = {},
                       .answers = {{"registered", json::array{7, nullptr}},
                                   {"active_queues", json::array{"celery", json::object{}}}}};
  EXPECT_EQ(serving_queue("add", {{"odd", odd}, {"silent", {}}}), std::nullopt);
}

}  // namespace
}  // namespace umbel::collector
