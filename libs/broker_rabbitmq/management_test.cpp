#include "management.hpp"

#include <gtest/gtest.h>

namespace umbel::broker_rabbitmq {
namespace {

TEST(Management, ReadsFiguresAndLeavesOutWhatIsNotForTasks) {
  const auto read = read_queues(R"([
    {"name": "celery", "auto_delete": false, "messages_ready": 5, "messages_unacknowledged": 2,
     "consumers": 1, "head_message_timestamp": 1795350738,
     "message_stats": {"publish": 90, "ack": 83, "extra": {}}},
    {"name": "new", "auto_delete": false, "messages_ready": 0, "head_message_timestamp": null},
    {"name": "celery@a.celery.pidbox", "auto_delete": true},
    {"name": "8a.reply.celery.pidbox", "auto_delete": true},
    {"name": "5f1c", "auto_delete": true, "messages_ready": 1},
    {"name": "celeryev.77", "auto_delete": false},
    {"name": "umbel.events.c1", "auto_delete": false},
    {"name": "celery_delayed_3", "auto_delete": false},
    {"nameless": 1}, 7])");
  ASSERT_TRUE(read) << read.error().what;
  ASSERT_EQ(read->size(), 2U);
  const auto& celery = read->at("celery");
  EXPECT_EQ(celery.name, QueueName{"celery"});
  EXPECT_EQ(celery.ready, 5U);
  EXPECT_EQ(celery.unacked, 2U);
  EXPECT_EQ(celery.consumers, 1U);
  EXPECT_EQ(celery.oldest_ready, from_unix_seconds(1795350738));
  EXPECT_EQ(celery.published_total, 90U);
  EXPECT_EQ(celery.acked_total, 83U);
  EXPECT_EQ(celery.delayed, std::nullopt);
  // What it does not say is unknown, not 0.
  const auto& fresh = read->at("new");
  EXPECT_EQ(fresh.unacked, std::nullopt);
  EXPECT_EQ(fresh.published_total, std::nullopt);
  EXPECT_EQ(fresh.oldest_ready, std::nullopt);
}

TEST(Management, RefusesWhatIsNoList) {
  for (const auto* text : {"", "{}", "[", R"({"error": "not_authorised"})"}) {
    EXPECT_FALSE(read_queues(text)) << text;
  }
}

}  // namespace
}  // namespace umbel::broker_rabbitmq
