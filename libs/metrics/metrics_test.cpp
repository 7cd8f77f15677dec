#include "umbel/metrics/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <fstream>
#include <limits>
#include <regex>
#include <sstream>
#include <thread>

#include "umbel/metrics/catalogue.hpp"
#include "umbel/metrics/change.hpp"

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

// What moved in one process, added up in another: twice, since a second look tells only of what
// moved since the first.
TEST(Metrics, AddUpWhatMovesInOtherProcesses) {
  Metrics child{"child"};
  Metrics parent{"parent"};
  (void)child.changes();
  EXPECT_THAT(child.changes(), testing::IsEmpty());
  static const Family own{"own_total", Kind::Counter, "Of no catalogue.", {"why"}, {}};
  for (int i = 0; i < 2; ++i) {
    child.counter(kTasksReceived, {"mail"}).Increment(3);
    child.histogram(kSubmissionFetchTime, {"api"}).Observe(0.25);
    child.histogram(kSubmissionFetchTime, {"api"}).Observe(1e9);
    child.gauge(kTasksActive).Set(7 + i);
    child.counter(own, {"because"}).Increment();
    const auto changes = child.changes();
    EXPECT_THAT(changes, testing::SizeIs(4));
    for (const auto& change : changes) EXPECT_TRUE(parent.add(change)) << change.name;
  }
  EXPECT_THAT(child.changes(), testing::IsEmpty());
  const std::string text = parent.text();
  EXPECT_THAT(text, HasSubstr("umbel_tasks_received_total{queue=\"mail\"} 6"));
  EXPECT_THAT(text, HasSubstr("submission_fetch_time_sum{source=\"api\"} 2000000000.5"));
  EXPECT_THAT(text, HasSubstr("submission_fetch_time_count{source=\"api\"} 4"));
  EXPECT_THAT(text, HasSubstr("submission_fetch_time_bucket{source=\"api\",le=\"0.25\"} 2"));
  EXPECT_THAT(text, HasSubstr(std::string{kTasksActive.name} + " 8"));
  EXPECT_THAT(text, HasSubstr("own_total{why=\"because\"} 2"));
}

TEST(Metrics, RefuseChangesThatDoNotFit) {
  Metrics metrics{"test"};
  const auto refused = [&metrics](const SeriesChange& change) {
    const auto added = metrics.add(change);
    return added ? "" : added.error().what;
  };
  SeriesChange change{
      Kind::Counter, "umbel_tasks_received_total", "", {"queue"}, {}, {"mail"}, 1, {}};
  EXPECT_EQ(refused(change), "");
  auto other = change;
  other.amount = -1;
  EXPECT_THAT(refused(other), HasSubstr("umbel_tasks_received_total: it would shrink"));
  other.amount = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refused(other), HasSubstr("it would shrink"));
  other = change;
  other.labels = {"else"};
  EXPECT_THAT(refused(other), HasSubstr("declared otherwise"));
  other = change;
  other.values = {};
  EXPECT_THAT(refused(other), HasSubstr("do not fit together"));
  other = change;
  other.name = "no name";
  EXPECT_THAT(refused(other), HasSubstr("no name"));
  other = {Kind::Histogram, "own_seconds", "", {}, {1, 2}, {}, 1, {1, 0}};
  EXPECT_THAT(refused(other), HasSubstr("do not fit together"));
  other.counts = {1, 0, 0};
  EXPECT_EQ(refused(other), "");
  other.buckets = {1, 3};
  EXPECT_THAT(refused(other), HasSubstr("declared otherwise"));
  for (int i = 0; i < 1000; ++i) {
    (void)metrics.add({Kind::Counter, "own_" + std::to_string(i), "", {}, {}, {}, 1, {}});
  }
  change.name = "one_more_total";
  EXPECT_THAT(refused(change), HasSubstr("too many families"));
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
