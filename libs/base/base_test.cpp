#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/ordered_id.hpp"
#include "umbel/base/text.hpp"

namespace umbel {
namespace {

using testing::HasSubstr;

TEST(NamedUuid, IsTheSameForTheSameNameAndVersionFive) {
  const std::string one = named_uuid("tick|hourly|1700000000");

  EXPECT_EQ(one, named_uuid("tick|hourly|1700000000"));
  EXPECT_NE(one, named_uuid("tick|hourly|1700003600"));
  EXPECT_EQ(one[14], '5');
}

TEST(RandomUuid, DoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_uuid());

  EXPECT_EQ(seen.size(), 1000U);
}

TEST(OrderedTaskId, SortsByTimeAndIsAUuidOfVersionSeven) {
  std::string before;
  for (std::int64_t micros : {-5LL, 999LL, 1'000LL, 1'001LL, 1'795'350'738'139'616LL,
                              1'795'350'738'139'617LL, 1'795'350'738'140'000LL}) {
    const std::string id = ordered_task_id(from_micros(micros)).str();

    EXPECT_LT(before, id);
    EXPECT_EQ(id.size(), 36U);
    EXPECT_EQ(id[14], '7');
    EXPECT_NE(std::string_view{"89ab"}.find(id[19]), std::string_view::npos) << id;
    before = id;
  }
  EXPECT_TRUE(before.starts_with("01a2033e-34dc-7000-")) << before;  // 1,795,350,738,140 ms
}

TEST(OrderedTaskId, DoesNotRepeatWithinAnInstant) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(ordered_task_id(from_micros(1)).str());

  EXPECT_EQ(seen.size(), 1000U);
}

TEST(Iso8601, WritesSixDigitsAndAnOffset) {
  EXPECT_EQ(iso8601(from_micros(1795350738139616)), "2026-11-22T12:32:18.139616+00:00");
  EXPECT_EQ(iso8601(WallTime{}), "1970-01-01T00:00:00.000000+00:00");
}

TEST(Iso8601, ReadsWhatCeleryAndPeopleWrite) {
  const auto expected = from_micros(1795350738500000);
  for (const char* text :
       {"2026-11-22T12:32:18.500000+00:00", "2026-11-22T12:32:18.5Z", "2026-11-22 12:32:18.5",
        "2026-11-22T13:32:18.500+01:00", "2026-11-22T07:02:18.5-0530"}) {
    EXPECT_EQ(parse_iso8601(text), expected) << text;
  }
}

TEST(Iso8601, RefusesWhatIsNoInstant) {
  for (const char* text : {"", "now", "2026-13-01T00:00:00", "2026-02-30", "2026-01-01T24:00:00",
                           "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1", "1795350738",
                           "2026-01-01T00:00:00Zx", "-026-01-01"}) {
    EXPECT_FALSE(parse_iso8601(text)) << text;
  }
}

TEST(Iso8601, RefusesAnInstantThatFourDigitsOfAYearCannotSayInUtc) {
  for (const char* text :
       {"9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01", "0000-12-31"}) {
    EXPECT_FALSE(parse_iso8601(text)) << text;
  }
  for (const char* text : {"9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"}) {
    const auto instant = parse_iso8601(text);
    ASSERT_TRUE(instant) << text;
    EXPECT_EQ(parse_iso8601(iso8601(*instant)), instant) << text;
  }
}

TEST(JsonQuoted, EscapesControlsAndReplacesBrokenUtf8) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(json_quoted("é€😀"), "\"é€😀\"");
  EXPECT_EQ(json_quoted("x\xC3"), "\"x\xEF\xBF\xBD\"");
  EXPECT_EQ(json_quoted("\xED\xA0\x80"),
            "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // a surrogate
}

TEST(WithoutPassword, HidesThePasswordAndNothingElse) {
  EXPECT_EQ(without_password("amqp://user:p%40ss@host:5672//"), "amqp://user:**@host:5672//");
  EXPECT_EQ(without_password("redis://:secret@host/0"), "redis://:**@host/0");
  EXPECT_EQ(without_password("redis://:a@b@host/0"), "redis://:**@host/0");
  EXPECT_EQ(without_password("http://host/a:b@c"), "http://host/a:b@c");
  EXPECT_EQ(without_password("sqlite:var/umbel.db"), "sqlite:var/umbel.db");
  EXPECT_EQ(without_password("http://host:80/a?b=c&d=e"), "http://host:80/a?b=c&d=e");
  EXPECT_EQ(without_password("amqp://host//"), "amqp://host//");
  EXPECT_EQ(without_password("amqp://user@host//"), "amqp://user@host//");
}

TEST(WithoutPassword, HidesItWhereverItStands) {
  EXPECT_EQ(without_password("amqp://u:p1@a//;amqp://v:p2@b/x"), "amqp://u:**@a//;amqp://v:**@b/x");
  EXPECT_EQ(without_password("redis+socket:///r.sock?virtual_host=1&password=secret"),
            "redis+socket:///r.sock?virtual_host=1&password=**");
  EXPECT_EQ(without_password("amqp://u:p1@a/v?management=http://m:p2@b:15672&heartbeat=5"),
            "amqp://u:**@a/v?management=http://m:**@b:15672&heartbeat=5");
  EXPECT_EQ(without_password("amqp://a/v?management=http%3A%2F%2Fm%3Asecret%40b&heartbeat=5"),
            "amqp://a/v?management=**&heartbeat=5");
  // Not escaped as it ought to be.
  EXPECT_EQ(without_password("amqp://user:se/cret@host//"), "amqp://user:**@host//");
  EXPECT_EQ(without_password("redis://:se?cret#x@host/0"), "redis://:**@host/0");
}

TEST(Spoken, SaysDurationsAsPeopleDo) {
  using std::chrono::microseconds;
  const std::pair<microseconds, const char*> cases[] = {
      {microseconds{250}, "250 µs"},
      {microseconds{420'000}, "420 ms"},
      {microseconds{2'400'000}, "2.4 s"},
      {microseconds{42'000'000}, "42 s"},
      {microseconds{192'000'000}, "3 min 12 s"},
      {microseconds{18'120'000'000}, "5 h 2 min"},
      {microseconds{999'600}, "1.0 s"},
  };
  for (const auto& [duration, text] : cases) EXPECT_EQ(spoken(duration), text);
}

TEST(Shortened, NeverCutsACharacterInTwo) {
  EXPECT_EQ(shortened("short", 10), "short");
  EXPECT_EQ(shortened("éééééé", 8), "éé...");
}

TEST(Nearest, SuggestsATypoAndNothingFarOff) {
  const std::vector<std::string> flags{"--queues", "--concurrency", "--prefetch-multiplier"};

  EXPECT_EQ(nearest("--queue", flags), "--queues");
  EXPECT_EQ(nearest("--zzz", flags), std::nullopt);
}

TEST(FromUnixSeconds, KeepsMicrosecondsAndSurvivesNonsense) {
  EXPECT_EQ(from_unix_seconds(1795350738.139616), from_micros(1795350738139616));
  EXPECT_EQ(from_unix_seconds(1e300), WallTime{});
  EXPECT_EQ(from_unix_seconds(std::numeric_limits<double>::quiet_NaN()), WallTime{});
}

TEST(Log, LaysOutFieldsAndKeepsQuietBelowItsLevel) {
  std::vector<std::string> lines;
  const Log log{"worker", LogLevel::Info, [&](LogLevel, std::string_view, std::string_view text) {
                  lines.emplace_back(text);
                }};

  log.debug("hidden");
  log.warn("task retry scheduled", {{"task_id", "a b"}, {"attempt", 3}, {"late", true}});

  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0],
              HasSubstr("warn  worker: task retry scheduled task_id=\"a b\" attempt=3 late=true"));
}

TEST(Log, PutsTheFieldsThatItIsMadeWithOnEveryLine) {
  std::vector<std::string> lines;
  const Log log{"worker", LogLevel::Info, [&](LogLevel, std::string_view, std::string_view text) {
                  lines.emplace_back(text);
                }};

  log.with({"task_id", "t1"}).with({"attempt", 2}).info("fetched", {{"bytes", 7}});
  log.info("stopped");

  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr("fetched bytes=7 task_id=t1 attempt=2"));
  EXPECT_THAT(lines[1], ::testing::EndsWith("stopped"));
}

}  // namespace
}  // namespace umbel
