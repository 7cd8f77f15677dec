#include "umbel/runtime/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace umbel {
namespace {

using testing::HasSubstr;

struct Loaded {
  CommonSettings common;
  std::int64_t concurrency = 2;
  std::string pool = "threads";
  bool log_tasks = false;
  std::vector<std::string> queues;
  Result<void> result;
};

Loaded load(const std::vector<std::string>& arguments,
            const std::map<std::string, std::string>& env = {},
            const std::optional<std::string>& yaml = std::nullopt) {
  Loaded out;
  Settings settings{"umbel-worker", "runs tasks"};
  settings.add_common(out.common);
  settings.add({"concurrency", "threads", "N", {}}, out.concurrency, {1, 512});
  settings.add_choice({"pool", "kind of pool", "KIND", {}}, out.pool, {"threads", "prefork"});
  settings.add({"log-tasks", "a line per task", "", {}}, out.log_tasks);
  settings.add({"queues", "queues", "A,B", {}}, out.queues);
  out.result = settings.load_from(
      arguments,
      [&](const std::string& name) -> std::optional<std::string> {
        const auto found = env.find(name);
        return found == env.end() ? std::nullopt : std::optional{found->second};
      },
      yaml);
  return out;
}

TEST(Settings, KeepsDefaultsWhenNothingIsGiven) {
  const auto loaded = load({});

  ASSERT_TRUE(loaded.result.has_value());
  EXPECT_EQ(loaded.concurrency, 2);
  EXPECT_EQ(loaded.common.store, "sqlite:var/umbel.db");
}

TEST(Settings, ReadsFlagsInBothSpellings) {
  const auto loaded =
      load({"--concurrency=8", "--queues", "a, b", "--log-tasks", "--log-level", "debug"});

  ASSERT_TRUE(loaded.result.has_value());
  EXPECT_EQ(loaded.concurrency, 8);
  EXPECT_EQ(loaded.queues, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(loaded.log_tasks);
  EXPECT_EQ(loaded.common.log_level, LogLevel::Debug);
}

TEST(Settings, TakesFlagOverEnvironmentOverFileOverForeignName) {
  const std::string yaml = "broker: sqlite:file.db\nworker:\n  concurrency: 3\n  queues: [x, y]\n";
  const std::map<std::string, std::string> foreign{{"CELERY_BROKER_URL", "sqlite:celery.db"}};
  auto own = foreign;
  own["UMBEL_BROKER"] = "sqlite:env.db";

  EXPECT_EQ(load({"--broker", "sqlite:flag.db"}, own, yaml).common.broker, "sqlite:flag.db");
  EXPECT_EQ(load({}, own, yaml).common.broker, "sqlite:env.db");
  EXPECT_EQ(load({}, foreign, yaml).common.broker, "sqlite:file.db");
  EXPECT_EQ(load({}, foreign).common.broker, "sqlite:celery.db");
  EXPECT_EQ(load({}, {}, yaml).concurrency, 3);
  EXPECT_EQ(load({}, {}, yaml).queues, (std::vector<std::string>{"x", "y"}));
}

TEST(Settings, NamesEveryMistakeAndWhatIsAllowed) {
  const auto loaded = load({"--concurency", "3", "--pool", "green"},
                           {{"UMBEL_CONCURRENCY", "many"}}, "worker:\n  qeues: a\n");

  ASSERT_TRUE(loaded.result.has_error());
  const std::string what = loaded.result.error().what;
  EXPECT_THAT(what, HasSubstr("unknown option `--concurency`; did you mean `--concurrency`?"));
  EXPECT_THAT(what, ::testing::Not(HasSubstr("`3`")))
      << "the value of an unknown option is no word";
  EXPECT_THAT(what, HasSubstr("--pool: `green` is not one of threads, prefork"));
  EXPECT_THAT(what, HasSubstr("UMBEL_CONCURRENCY: `many` is not a whole number"));
  EXPECT_THAT(what, HasSubstr("umbel.yaml:2: unknown key `worker.qeues`; did you mean `queues`?"));
}

TEST(Settings, RefusesNumbersOutOfRangeAndStrayWords) {
  EXPECT_THAT(load({"--concurrency", "0"}).result.error().what, HasSubstr("allowed is 1 to 512"));
  EXPECT_THAT(load({"start"}).result.error().what, HasSubstr("unexpected word `start`"));
}

TEST(Settings, IgnoresUnknownVariablesAndOtherProgramsKeys) {
  EXPECT_TRUE(
      load({}, {{"UMBEL_WHATEVER", "1"}}, "port: 5555\nscheduler:\n  x: 1\n").result.has_value());
}

TEST(Settings, SaysWhereTheFileIsNoYaml) {
  EXPECT_THAT(load({}, {}, "a: [1,\nb: }").result.error().what, HasSubstr("umbel.yaml:"));
}

}  // namespace
}  // namespace umbel
