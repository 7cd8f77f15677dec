#include "umbel/runtime/outage.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "umbel/testing/fake_clock.hpp"

namespace umbel {
namespace {

class OutageTest : public ::testing::Test {
 protected:
  // The lines that an administrator sees: what it is about, and whether it began or ended.
  Log log() {
    return {"test", LogLevel::Info, [this](LogLevel, std::string_view, std::string_view text) {
              lines.emplace_back(text.substr(0, text.find(';')));
            }};
  }

  testing::FakeClock clock;
  std::vector<std::string> lines;
};

TEST_F(OutageTest, IsSaidAtItsBeginningAndAtItsEnd) {
  Outage outage{"store", clock, log()};
  outage.failed(unavailable("disk full"));
  outage.failed(unavailable("disk full"));
  EXPECT_EQ(lines.size(), 1U);
  outage.over();
  outage.over();
  EXPECT_EQ(lines.size(), 2U);
}

// Its engine does: one line, however many parts of a program use it.
TEST_F(OutageTest, OfAServerThatIsNotThereIsNotSaidByThoseWhoUseIt) {
  Outage engine{"RabbitMQ", clock, log()};
  Outage events{"reading events", clock, log()};
  Outage control{"remote control", clock, log()};
  engine.failed(unavailable("RabbitMQ at localhost:5672/: Connection refused"));
  events.failed(unavailable("RabbitMQ at localhost:5672/: Connection refused"));
  control.failed(unavailable("RabbitMQ: the connection is lost: end of file"));
  EXPECT_EQ(lines.size(), 1U);
  EXPECT_TRUE(events.failing());
  for (Outage* each : {&engine, &events, &control}) each->over();
  EXPECT_EQ(lines.size(), 2U);
}

// A server that is there and refuses something is not out: who was refused says so.
TEST_F(OutageTest, OfWhatAServerRefusesIsSaid) {
  Outage events{"reading events", clock, log()};
  events.failed(unavailable("declaring queue `q`: RabbitMQ says ACCESS_REFUSED"));
  events.over();
  Outage publishing{"broker, for events", clock, log()};
  publishing.failed(unavailable("RabbitMQ takes no messages now: its alarm says `disk`"));
  EXPECT_EQ(lines.size(), 3U);
}

}  // namespace
}  // namespace umbel
