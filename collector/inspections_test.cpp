// What workers said of themselves: kinds of pools, what is not kept, how much is.
#include "inspections.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace umbel::collector {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

const WallTime kAt = from_unix_seconds(1'700'000'000);

WorkerFacts facts_with(json::object pool) {
  return facts_of({.at = kAt, .answers = {{"stats", json::object{{"pool", std::move(pool)}}}}});
}

TEST(WorkerFacts, AreReadFromEachKindOfPool) {
  EXPECT_EQ(facts_with({{"implementation", "celery.concurrency.prefork:TaskPool"}}).pool,
            "prefork");
  EXPECT_EQ(facts_with({{"implementation", "celery.concurrency.thread:TaskPool"}}).pool, "threads");
  EXPECT_EQ(facts_with({{"implementation", "celery.concurrency.gevent:TaskPool"}}).pool, "gevent");
  EXPECT_EQ(facts_with({{"max-concurrency", 4}, {"threads", 2}}).pool, "threads");
  EXPECT_EQ(facts_with({{"max-concurrency", 4}, {"threads", 2}}).slots, 4);
  EXPECT_EQ(facts_with({{"max-concurrency", 9}, {"free_threads", 8}}).pool, "eventlet");
  EXPECT_EQ(
      facts_with(
          {{"max-concurrency", 1}, {"processes", json::array{1}}, {"timeouts", json::array{}}})
          .pool,
      "solo");
  const auto grown = facts_with(
      {{"max-concurrency", 2}, {"processes", json::array{1, 2, 3}}, {"writes", json::object{}}});
  EXPECT_EQ(grown.pool, "prefork");
  EXPECT_EQ(grown.slots, 3) << "what it was started with is not what it has";
  EXPECT_EQ(facts_of({}).slots, 0);
  EXPECT_EQ(facts_with({{"max-concurrency", "many"}}).slots, 0);
}

TEST(WorkerFacts, HaveTheQueuesByTheirNames) {
  const json::array queues{json::object{{"name", "a"}}, "no object", json::object{{"name", 7}},
                           json::object{{"name", "b"}}};
  EXPECT_EQ(facts_of({.at = kAt, .answers = {{"active_queues", queues}}}).queues, "a,b");
}

TEST(Inspections, KeepWhatHasTheFormOfItsMethodAndNoSecrets) {
  Inspections inspections;
  EXPECT_TRUE(inspections.put(
      "w", "stats",
      json::object{{"pid", 1},
                   {"broker", json::object{{"hostname", "h"}, {"alternates", "amqp://u:pw@b"}}},
                   {"consumer", json::object{{"broker", json::object{{"alternates", "pw"}}}}}},
      kAt));
  EXPECT_TRUE(inspections.put("w", "registered", json::object{{"error", "KeyError('x')"}}, kAt));
  const auto kept = inspections.find("w").value();
  EXPECT_FALSE(kept.answers.contains("registered"));
  EXPECT_THAT(json::serialize(kept.answers), Not(HasSubstr("pw")));
  EXPECT_THAT(json::serialize(kept.answers), HasSubstr("hostname"));
  EXPECT_TRUE(inspections.put("w", "stats", json::object{{"error", "gone"}}, kAt));
  EXPECT_TRUE(inspections.find("w")->answers.empty()) << "what it said before is not true any more";
  EXPECT_FALSE(inspections.find("other").has_value());
}

TEST(Inspections, AreBounded) {
  Inspections inspections;
  json::array many(Inspections::kMostItems + 10, json::value{"id"});
  EXPECT_TRUE(inspections.put("w0", "revoked", std::move(many), kAt));
  EXPECT_EQ(inspections.find("w0")->answers.at("revoked").as_array().size(),
            Inspections::kMostItems);
  const json::object large{{"text", std::string(1'000'000, 'x')}};
  std::size_t kept = 0;
  for (int n = 0; n < 80; ++n)
    kept += inspections.put("w" + std::to_string(n), "conf", large, kAt) ? 1U : 0U;
  EXPECT_EQ(kept, Inspections::kMostBytes / 1'000'011);
  inspections.keep_only({"w1"});
  EXPECT_EQ(inspections.all().size(), 1U);
  EXPECT_TRUE(inspections.put("w2", "conf", large, kAt)) << "there is room again";
}

}  // namespace
}  // namespace umbel::collector
