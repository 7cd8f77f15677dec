#include "umbel/metrics/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::metrics {
namespace {

using testing::HasSubstr;

TEST(BoundedLabel, LetsTheFirstValuesThroughAndFoldsTheRest) {
  BoundedLabel label{2};

  EXPECT_EQ(label("a"), "a");
  EXPECT_EQ(label("b"), "b");
  EXPECT_EQ(label("c"), "other");
  EXPECT_EQ(label("a"), "a");
  EXPECT_EQ(label.folded(), 1U);
}

TEST(Metrics, WritesWhatWasCountedInTheTextFormat) {
  Metrics metrics{"test"};
  metrics.counter(kTasksReceived, {"mail"}).Increment(3);
  metrics.histogram(kSubmissionFetchTime, {"api"}).Observe(0.25);

  const std::string text = metrics.text();

  EXPECT_THAT(text, HasSubstr("umbel_tasks_received_total{queue=\"mail\"} 3"));
  EXPECT_THAT(text, HasSubstr("submission_fetch_time_sum{source=\"api\"} 0.25"));
  EXPECT_THAT(text, HasSubstr("submission_fetch_time_count{source=\"api\"} 1"));
  EXPECT_THAT(text, HasSubstr("umbel_build_info{program=\"test\""));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST(Metrics, GivesTheSameSeriesForTheSameLabels) {
  Metrics metrics{"test"};

  EXPECT_EQ(&metrics.counter(kTasksReceived, {"a"}), &metrics.counter(kTasksReceived, {"a"}));
  EXPECT_NE(&metrics.counter(kTasksReceived, {"a"}), &metrics.counter(kTasksReceived, {"b"}));
}

TEST(Metrics, FoldsSeriesBeyondTheBoundAndCountsThem) {
  Metrics metrics{"test"};
  for (int i = 0; i < 1100; ++i) {
    metrics.counter(kTasksReceived, {"q" + std::to_string(i)}).Increment();
  }

  const std::string text = metrics.text();

  EXPECT_THAT(text, HasSubstr("umbel_tasks_received_total{queue=\"other\"} 100"));
  EXPECT_THAT(text, HasSubstr("umbel_metric_labels_folded_total 100"));
}

TEST(Metrics, RemovesAGaugeThatIsGone) {
  Metrics metrics{"test"};
  metrics.gauge(kQueueConsumers, {"mail"}).Set(2);

  metrics.remove(kQueueConsumers, {"mail"});

  EXPECT_THAT(metrics.text(), testing::Not(HasSubstr("queue=\"mail\"")));
}

TEST(Metrics, CanBeUsedFromManyThreads) {
  Metrics metrics{"test"};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          metrics.counter(kTasksReceived, {std::to_string(i % 10)}).Increment();
          if (i % 50 == 0) {
            EXPECT_FALSE(metrics.text().empty());
          }
        }
      });
    }
  }

  EXPECT_EQ(metrics.counter(kTasksReceived, {"3"}).Value(), 80);
}

TEST(Metrics, RefusesAUseAgainstTheDeclaration) {
  Metrics metrics{"test"};

  EXPECT_THROW(std::ignore = metrics.counter(kTasksReceived, {}), std::logic_error);
  EXPECT_THROW(std::ignore = metrics.gauge(kTasksReceived, {"q"}), std::logic_error);
}

TEST(Catalogue, NamesFollowTheRules) {
  std::set<std::string> names;
  for (const Family* family : all_families()) {
    const std::string name = family->name;
    EXPECT_TRUE(names.insert(name).second) << name << " is declared twice";
    EXPECT_EQ(name.ends_with("_total"), family->kind == Kind::Counter) << name;
    EXPECT_EQ(family->buckets.empty(), family->kind != Kind::Histogram) << name;
    EXPECT_FALSE(std::string{family->help}.empty()) << name;
  }
}

// docs/metrics.md lists each family as `| `name` | …`.
TEST(Catalogue, IsTheSameSetAsTheDocumentation) {
  std::ifstream file{UMBEL_SOURCE_DIR "/docs/metrics.md"};
  ASSERT_TRUE(file) << "docs/metrics.md is missing";
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  std::set<std::string> documented;
  const std::regex row{R"(\n\| `([a-z_]+)` \|)"};
  for (std::sregex_iterator it{page.begin(), page.end(), row}, end; it != end; ++it) {
    documented.insert((*it)[1]);
  }
  std::set<std::string> declared;
  for (const Family* family : all_families()) declared.insert(family->name);

  EXPECT_EQ(documented, declared);
}

// Ten thousand task names, a thousand workers, a hundred thousand subreddits, in every family.
TEST(Metrics, WhateverIsFedTheTextStaysUnderThirtyThousandLines) {
  Metrics metrics{"test"};

  for (const Family* family : all_families()) {
    if (family->labels.empty()) continue;
    const int values = family->kind == Kind::Histogram ? 2'000 : 5'000;
    for (int i = 0; i < values; ++i) {
      const std::vector<std::string> labels(family->labels.size(), "v" + std::to_string(i));
      if (family->kind == Kind::Counter) metrics.counter(*family, labels).Increment();
      if (family->kind == Kind::Gauge) metrics.gauge(*family, labels).Set(1);
      if (family->kind == Kind::Histogram) metrics.histogram(*family, labels).Observe(1);
    }
  }

  const std::string text = metrics.text();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 30'000);
  EXPECT_NE(text.find("\"other\""), std::string::npos);
  EXPECT_GT(metrics.counter(kLabelsFolded).Value(), 10'000);
  for (const Family* family : all_families()) {
    if (family->labels.empty()) continue;
    EXPECT_NE(text.find(std::string{family->name} +
                        (family->kind == Kind::Histogram ? "_count" : "") + "{" +
                        std::string{*std::min_element(
                            family->labels.begin(), family->labels.end(),
                            [](const char* a, const char* b) { return std::string_view{a} < b; })} +
                        "=\"other\""),
              std::string::npos)
        << family->name;
  }
}

}  // namespace
}  // namespace umbel::metrics
