#include "umbel/engines/engines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "umbel/testing/fake_clock.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using ::testing::HasSubstr;

TEST(Engines, OpensTheEmbeddedOnesByPath) {
  const umbel::testing::TempDir dir;
  const umbel::testing::FakeClock clock;
  const Log log = Log::none();

  EXPECT_TRUE(open_broker("sqlite:" + dir.file("b.db"), clock, log).has_value());
  EXPECT_TRUE(open_store("sqlite:" + dir.file("s.db?synchronous=full"), clock, log).has_value());
  EXPECT_TRUE(open_history("sqlite:" + dir.file("s.db"), clock, log).has_value());
  EXPECT_TRUE(std::filesystem::exists(dir.file("history")));
}

TEST(Engines, RefusesWhatItDoesNotKnowAndHidesThePassword) {
  const umbel::testing::FakeClock clock;
  const Log log = Log::none();

  const auto broker = open_broker("kafka://user:secret@host//", clock, log);
  const auto option = open_store("sqlite:x.db?mode=fast", clock, log);
  const auto empty = open_store("sqlite:", clock, log);

  ASSERT_TRUE(broker.has_error());
  EXPECT_EQ(broker.error().code, Errc::Invalid);
  EXPECT_THAT(broker.error().what, HasSubstr("kafka://user:**@host//"));
  EXPECT_THAT(broker.error().what, ::testing::Not(HasSubstr("secret")));
  ASSERT_TRUE(option.has_error());
  EXPECT_THAT(option.error().what, HasSubstr("`mode=fast` is not an option"));
  ASSERT_TRUE(empty.has_error());
  EXPECT_THAT(empty.error().what, HasSubstr("path is missing"));
}

TEST(Engines, OpensRabbitMqWithoutAServerAndNamesWhatIsWrongInItsUrl) {
  const umbel::testing::FakeClock clock;
  const Log log = Log::none();
  EXPECT_TRUE(open_broker("amqp://guest:guest@127.0.0.1:1//", clock, log));
  EXPECT_TRUE(open_broker("pyamqp://a;amqps://b//?queue_type=quorum", clock, log));
  const auto wrong = open_broker("amqp://user:secret@host:port//", clock, log);
  ASSERT_TRUE(wrong.has_error());
  EXPECT_EQ(wrong.error().code, Errc::Invalid);
  EXPECT_THAT(wrong.error().what, HasSubstr("`port`"));
  EXPECT_THAT(wrong.error().what, ::testing::Not(HasSubstr("secret")));
  const auto store = open_store("amqp://host", clock, log);
  ASSERT_TRUE(store.has_error());
  EXPECT_THAT(store.error().what, HasSubstr("sqlite:PATH"));
}

TEST(Engines, OpensWhereCallersReadByUrl) {
  const umbel::testing::TempDir dir;
  const umbel::testing::FakeClock clock;
  const auto broker = open_broker("sqlite:" + dir.file("b.db"), clock, Log::none()).value();

  for (const char* url : {"", "rpc://"}) {
    const auto rpc = open_caller_results(url, broker.get());
    ASSERT_TRUE(rpc) << rpc.error().what;
    EXPECT_FALSE((*rpc)->counts_chords());
  }
  // Nobody has to be there yet.
  const auto redis = open_caller_results("redis://127.0.0.1:1/0", broker.get());
  ASSERT_TRUE(redis) << redis.error().what;
  EXPECT_TRUE((*redis)->counts_chords());
  EXPECT_EQ(open_caller_results("none", broker.get()).value(), nullptr);
  // Who only reads finds nothing where nothing is kept.
  EXPECT_EQ(open_caller_results("", nullptr).value(), nullptr);
  EXPECT_EQ(open_caller_results("rpc://", nullptr).value(), nullptr);
  EXPECT_NE(open_caller_results("redis://h/0", nullptr).value(), nullptr);

  const auto unknown = open_caller_results("db+postgresql://me:secret@h/x", broker.get());
  ASSERT_TRUE(unknown.has_error());
  EXPECT_THAT(unknown.error().what, HasSubstr("redis://"));
  EXPECT_THAT(unknown.error().what, ::testing::Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace umbel
