#include "umbel/scheduler/schedule_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/scheduler/check.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel {
namespace {

using ::testing::HasSubstr;

TEST(ScheduleFile, reads_every_key_of_an_entry) {
  const auto entries = parse_schedule(R"(
schedules:
  - name: front page
    every: 1h30m
    task: reddit.discover
    args: [cpp]
    kwargs: {limit: 5}
    queue: reddit
    enabled: false
    description: what is new
  - {name: b, cron: "0 9 * * mon", timezone: Europe/Berlin, task: noop}
)",
                                      "s.yaml");
  ASSERT_TRUE(entries) << entries.error().what;
  ASSERT_EQ(entries->size(), 2U);
  const auto& first = entries->at(0);
  EXPECT_EQ(first.name, "front page");
  EXPECT_EQ(std::get<Interval>(first.schedule).every(), std::chrono::minutes{90});
  EXPECT_EQ(first.schedule_text, "every 1h30m");
  EXPECT_EQ(first.task, "reddit.discover");
  EXPECT_EQ(first.args, R"(["cpp"])");
  EXPECT_EQ(first.kwargs, R"({"limit": 5})");
  EXPECT_EQ(first.queue, QueueName{"reddit"});
  EXPECT_FALSE(first.enabled);
  EXPECT_EQ(first.description, "what is new");
  const auto& second = entries->at(1);
  EXPECT_EQ(std::get<Cron>(second.schedule).zone.name(), "Europe/Berlin");
  EXPECT_EQ(second.schedule_text, "cron 0 9 * * mon (Europe/Berlin)");
  EXPECT_EQ(second.args, "[]");
  EXPECT_EQ(second.kwargs, "{}");
  EXPECT_EQ(second.queue, std::nullopt);
  EXPECT_TRUE(second.enabled);
}

TEST(ScheduleFile, gives_yaml_scalars_their_json_types) {
  struct Scalar {
    std::string yaml, json;
  };
  const std::vector<Scalar> table{
      {"1", "1"},
      {"-17", "-17"},
      {"+3", "3"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"9223372036854775807", "9223372036854775807"},
      {"1.5", "1.5"},
      {"-.5", "-0.5"},
      {"2.5e3", "2500.0"},
      {"true", "true"},
      {"False", "false"},
      {"null", "null"},
      {"~", "null"},
      {"hello", R"("hello")"},
      {"yes", R"("yes")"},
      {"1.2.3", R"("1.2.3")"},
      {"12ab", R"("12ab")"},
      {"2026-11-22", R"("2026-11-22")"},
      {R"("1")", R"("1")"},
      {"'true'", R"("true")"},
      {R"("")", R"("")"},
      {"!!str 1", R"("1")"},
      {"[1, [two, 3.5]]", R"([1, ["two", 3.5]])"},
      {"{a: {b: null}, 7: x}", R"({"a": {"b": null}, "7": "x"})"},
  };
  for (const auto& scalar : table) {
    const auto entries = parse_schedule(
        "schedules: [{name: a, every: 1s, task: t, args: [" + scalar.yaml + "]}]", "s.yaml");
    ASSERT_TRUE(entries) << scalar.yaml << ": " << entries.error().what;
    EXPECT_EQ(entries->front().args, "[" + scalar.json + "]") << scalar.yaml;
  }
}

TEST(ScheduleFile, says_what_is_wrong_where_and_what_is_allowed) {
  struct Wrong {
    std::string yaml;  // an entry's keys, one a line; the first is line 2
    std::vector<std::string> said;
  };
  const std::string good = "name: a\n    every: 1s\n    task: t\n    ";
  const std::vector<Wrong> table{
      {"every: 1s\n    task: t", {"s.yaml:2:5: entry 1: name: is missing"}},
      {"name: a\n    every: 1s", {"s.yaml:2:5: entry 'a': task: is missing"}},
      {"name: a\n    task: t", {"s.yaml:2:5: entry 'a': cron: missing", "one of cron and every"}},
      {"name: a\n    task: t\n    every: 5x", {"s.yaml:4:12: entry 'a': every: '5x'", "1h30m"}},
      {"name: a\n    task: t\n    every: [1]", {"s.yaml:4:5: entry 'a': every"}},
      {"name: a\n    task: t\n    every: 0", {"s.yaml:4:12: entry 'a': every: '0'"}},
      {"name: a\n    task: t\n    every: 1s\n    cron: '@daily'",
       {"s.yaml:5:5: entry 'a': every: cron is given too"}},
      {"name: a\n    task: t\n    cron: '61 * * * *'",
       {"s.yaml:4:11: entry 'a': cron: ", "minute: '61'", "0-59"}},
      {"name: a\n    task: t\n    cron: [1]", {"s.yaml:4:5: entry 'a': cron: must be a text"}},
      {"name: a\n    task: t\n    cron: '@daily'\n    timezone: Europe/Berln",
       {"s.yaml:5:15: entry 'a': timezone: no time zone 'Europe/Berln'", "'Europe/Berlin'"}},
      {good + "timezone: UTC", {"s.yaml:5:15: entry 'a': timezone: only with cron"}},
      {good + "args: {x: 1}", {"s.yaml:5:5: entry 'a': args: must be a list"}},
      {good + "args: 5", {"s.yaml:5:11: entry 'a': args: must be a list"}},
      {good + "kwargs: [1]", {"s.yaml:5:5: entry 'a': kwargs: must be a map"}},
      {good + "kwargs:\n      x: 1\n      x: 2",
       {"s.yaml:7:7: entry 'a': kwargs: the key 'x'", "twice"}},
      {good + "args:\n      - 1\n      - .nan",
       {"s.yaml:7:9: entry 'a': args: JSON has no number"}},
      {good + "args: [99999999999999999999]",
       {"s.yaml:5:12: entry 'a': args: ", "too large", "quote"}},
      {good + "args: [!python/object x]", {"s.yaml:5:12: entry 'a': args: the tag"}},
      {good + "enabled: maybe", {"s.yaml:5:14: entry 'a': enabled: must be true or false"}},
      {good + "enabled: 'true'", {"s.yaml:5:14: entry 'a': enabled: must be true or false"}},
      {good + "queue: ''", {"s.yaml:5:12: entry 'a': queue: must be a text"}},
      {good + "queue: [a]", {"s.yaml:5:5: entry 'a': queue: must be a text"}},
      {good + "description: [a]", {"s.yaml:5:5: entry 'a': description: must be a text"}},
      {good + "kwarg: {}", {"s.yaml:5:5: entry 'a': kwarg: unknown key", "'kwargs'"}},
      {good + "colour: red",
       {"s.yaml:5:5: entry 'a': colour: unknown key", "allowed are name, cron"}},
      {good + "task: u", {"s.yaml:5:5: entry 'a': task: given twice"}},
      {good + "[a]: b", {"s.yaml:5:5: entry 'a': : unknown key"}},
      {"name: \"a\\nb\"\n    every: 1s\n    task: t",
       {"s.yaml:2:", "name: must be a text", "one line"}},
      {"name: [a]\n    every: 1s\n    task: t", {"s.yaml:2:5: entry 1: name: must be a text"}},
  };
  for (const auto& wrong : table) {
    const auto entries = parse_schedule("schedules:\n  - " + wrong.yaml + "\n", "s.yaml");
    ASSERT_TRUE(entries.has_error()) << wrong.yaml;
    EXPECT_EQ(entries.error().code, Errc::Invalid);
    for (const auto& said : wrong.said) {
      EXPECT_THAT(entries.error().what, HasSubstr(said)) << wrong.yaml;
    }
    EXPECT_EQ(entries.error().what.find('\n'), std::string::npos) << entries.error().what;
  }
}

TEST(ScheduleFile, refuses_a_file_that_is_none) {
  struct Wrong {
    std::string yaml, said;
  };
  const std::vector<Wrong> table{
      {"", "s.yaml:1:1: wanted is `schedules:`"},
      {"- name: a", "s.yaml:1:1: wanted is `schedules:`"},
      {"{}", "s.yaml:1:1: has no `schedules:`"},
      {"schedules: {a: 1}", "s.yaml:1:1: 'schedules': must be a list"},
      {"schedules:\n", "must be a list"},
      {"schedules: []\nother: 1", "s.yaml:2:1: 'other': unknown key"},
      {"schedules: []\nschedules: []", "s.yaml:2:1: 'schedules': given twice"},
      {"schedules:\n  - 5", "s.yaml:2:5: entry 1: must be a map"},
      {"schedules:\n  - {name: a", "not YAML"},
      {"schedules: []\n---\nschedules: []", "more than one document"},
      {"schedules:\n  - {name: a, every: *nowhere, task: t}", "s.yaml:2:22: not YAML"},
      {"a: &a [x,x,x,x,x,x,x,x,x]\n", "unknown key"},
      {std::string(2'000'000, '#'), "larger than"},
  };
  for (const auto& wrong : table) {
    const auto entries = parse_schedule(wrong.yaml, "s.yaml");
    ASSERT_TRUE(entries.has_error()) << wrong.yaml.substr(0, 80);
    EXPECT_THAT(entries.error().what, HasSubstr(wrong.said));
  }
}

TEST(ScheduleFile, tells_all_mistakes_at_once_in_the_order_of_the_lines) {
  const auto entries = parse_schedule(R"(schedules:
  - name: twice
    every: 5s
    task: t
    oops: 1
  - name: fine
    every: 5s
    task: t
  - name: twice
    cron: "* * *"
    task: t
)",
                                      "dir/s.yaml");
  ASSERT_TRUE(entries.has_error());
  const auto& said = entries.error().what;
  const auto first = said.find("dir/s.yaml:5:5: entry 'twice': oops: unknown key");
  const auto second = said.find("dir/s.yaml:9:11: entry 'twice': name: used before, in line 2");
  const auto third = said.find("dir/s.yaml:10:11: entry 'twice': cron: ");
  ASSERT_NE(first, std::string::npos) << said;
  ASSERT_NE(second, std::string::npos) << said;
  ASSERT_NE(third, std::string::npos) << said;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST(ScheduleFile, stops_at_values_that_aliases_multiply) {
  std::string yaml = "schedules:\n  - name: a\n    every: 1s\n    task: t\n    args:\n";
  yaml += "      - &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    yaml += "      - &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) yaml += ", " + before;
    yaml += "]\n";
  }
  const auto entries = parse_schedule(yaml, "s.yaml");
  ASSERT_TRUE(entries.has_error());
  EXPECT_THAT(entries.error().what, HasSubstr("more than 10000 values"));
}

TEST(ScheduleFile, refuses_what_is_no_text_and_tells_tabs_by_their_name) {
  struct Wrong {
    std::string yaml, said;
  };
  const std::vector<Wrong> table{
      {std::string{"schedules:\n - \0", 15}, "s.yaml:2:4: not text"},
      {"schedules: []\n# \xFF", "s.yaml:2:3: not text"},
      {"# gr\xC3\xBC\xC3\x9F\xC3\n", "s.yaml:1:7: not text"},
      {"\x7F", "s.yaml:1:1: not text"},
      {"schedules:\n\t- {name: a, every: 1s, task: t}\n", "spaces, not tabs"},
      {"schedules:\n  - name: a\n    every: 1s\n\ttask: t\n", "spaces, not tabs"},
  };
  for (const auto& wrong : table) {
    const auto entries = parse_schedule(wrong.yaml, "s.yaml");
    ASSERT_TRUE(entries.has_error()) << wrong.yaml;
    EXPECT_THAT(entries.error().what, HasSubstr(wrong.said));
  }
  EXPECT_TRUE(parse_schedule("\xEF\xBB\xBFschedules: []\r\n# gr\xC3\xBC\xC3\x9F\n", "s.yaml"));
}

std::string many(std::size_t entries, const std::string& rest) {
  std::string yaml = "schedules:\n";
  for (std::size_t i = 0; i < entries; ++i) {
    yaml += "  - {name: n" + std::to_string(i) + ", every: 1s, task: t" + rest + "}\n";
  }
  return yaml;
}

TEST(ScheduleFile, has_bounds) {
  const auto ten_thousand = parse_schedule(many(10'000, ""), "s.yaml");
  ASSERT_TRUE(ten_thousand) << ten_thousand.error().what;
  EXPECT_EQ(ten_thousand->size(), 10'000U);

  std::string aliased = "schedules:\n  - &e {name: a, every: 1s, task: t}\n";
  for (int i = 0; i < 10'000; ++i) aliased += "  - *e\n";
  const auto one_more = parse_schedule(aliased, "s.yaml");
  ASSERT_TRUE(one_more.has_error());
  EXPECT_THAT(one_more.error().what,
              HasSubstr("s.yaml:1:1: 'schedules': has 10001 entries; allowed are 10000"));

  const auto wrong = parse_schedule(many(1'000, ", colour: red"), "s.yaml");
  ASSERT_TRUE(wrong.has_error());
  EXPECT_THAT(wrong.error().what, HasSubstr("there are more; these are the first 50"));
  EXPECT_EQ(std::ranges::count(wrong.error().what, '\n'), 50);

  const auto long_text = parse_schedule(
      "schedules: [{name: a, every: '" + std::string(500'000, '5') + "', task: t}]", "s.yaml");
  ASSERT_TRUE(long_text.has_error());
  EXPECT_LT(long_text.error().what.size(), 1'000U);

  EXPECT_TRUE(parse_schedule(std::string(500'000, '['), "s.yaml").has_error());
}

TEST(ScheduleFile, stops_at_arguments_that_aliases_make_huge) {
  // A long text many times in one entry, and a long list in each of many.
  std::string texts = "schedules: [{name: a, every: 1s, task: t, args: [&s " +
                      std::string(300'000, 'x') + ", *s, *s, *s, *s]}]";
  const auto one = parse_schedule(texts, "s.yaml");
  ASSERT_TRUE(one.has_error());
  EXPECT_THAT(one.error().what, HasSubstr("more than 1048576 bytes of text"));

  std::string list = "[";
  for (int i = 0; i < 9'000; ++i) list += "x,";
  const auto all = parse_schedule("schedules:\n  - {name: a, every: 1s, task: t, args: &a " + list +
                                      "]}\n" + many(2'000, ", args: *a").substr(11),
                                  "s.yaml");
  ASSERT_TRUE(all.has_error());
  EXPECT_THAT(all.error().what, HasSubstr("larger than 8000000 bytes"));
}

TEST(ScheduleFile, is_read_from_disk_and_named_when_it_cannot_be) {
  const testing::TempDir dir;
  std::ofstream{dir.file("s.yaml")} << "schedules: [{name: a, every: 1s, task: t}]\n";
  const auto entries = load_schedule(dir.file("s.yaml"));
  ASSERT_TRUE(entries) << entries.error().what;
  EXPECT_EQ(entries->size(), 1U);
  for (const auto& path : {dir.file("none.yaml"), dir.path().string()}) {
    const auto missing = load_schedule(path);
    ASSERT_TRUE(missing.has_error());
    EXPECT_EQ(missing.error().code, Errc::NotFound);
    EXPECT_THAT(missing.error().what, HasSubstr(path));
  }
}

TEST(ScheduleFile, that_ships_is_in_order) {
  const auto entries = load_schedule(std::string{UMBEL_SOURCE_DIR} + "/scheduler/schedule.yaml");
  ASSERT_TRUE(entries) << entries.error().what;
  EXPECT_GE(entries->size(), 6U);
}

TEST(DescribeSchedule, shows_the_next_runs_in_the_zone_and_in_utc) {
  const auto entries = parse_schedule(R"(schedules:
  - {name: a, cron: "30 1 * * *", timezone: America/New_York, task: noop}
  - {name: b, every: 15s, task: add, args: [1, 2], queue: q, enabled: false}
  - {name: c, cron: "0 0 30 2 *", task: noop}
)",
                                      "s.yaml");
  ASSERT_TRUE(entries) << entries.error().what;
  const auto now = parse_iso8601("2026-11-01T00:00:07Z");
  ASSERT_TRUE(now);
  EXPECT_EQ(describe_schedule(*entries, *now, 2),
            "a: cron 30 1 * * * (America/New_York), task noop args [] kwargs {}\n"
            "  2026-11-01 01:30:00 -04:00  =  2026-11-01 05:30:00 UTC\n"
            "  2026-11-02 01:30:00 -05:00  =  2026-11-02 06:30:00 UTC\n"
            "b: every 15s, task add args [1, 2] kwargs {} queue q (disabled: would run)\n"
            "  2026-11-01 00:00:15 UTC\n"
            "  2026-11-01 00:00:30 UTC\n"
            "c: cron 0 0 30 2 * (UTC), task noop args [] kwargs {}\n"
            "  never, in the next eight years\n");
  EXPECT_EQ(describe_schedule({}, *now), "no schedules\n");
}

}  // namespace
}  // namespace umbel
