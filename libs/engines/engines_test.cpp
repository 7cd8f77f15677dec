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

}  // namespace
}  // namespace umbel
