// Searching the history, whatever the engine.
#include <algorithm>
#include <map>
#include <random>

#include "history_under_test.hpp"
#include "umbel/model/fingerprint.hpp"

namespace umbel::testing {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kOrders{TaskOrder::Newest,   TaskOrder::Oldest,      TaskOrder::Slowest,
                             TaskOrder::Quickest, TaskOrder::LongestWait, TaskOrder::MostRetries};

QueryTerm texts(TaskField field, std::vector<std::string> any, bool negated = false) {
  return {.field = field, .negated = negated, .texts = std::move(any)};
}

class HistorySearch : public HistoryConformance {
 protected:
  void append(const std::vector<Task>& tasks, const std::vector<Moment>& moments = {}) {
    const auto appended = history->append(tasks, moments, {});
    ASSERT_TRUE(appended.has_value()) << appended.error().what;
  }

  static Task a_task(const std::string& id, WallTime at) {
    Task task;
    task.uuid = TaskId{id};
    task.state = TaskState::Received;
    task.name = "demo.add";
    task.received = task.timestamp = at;
    return task;
  }

  WallTime noon(int day) { return floor<days>(clock.wall()) + days{day} + hours{12}; }

  // All pages; checks that their places lead through.
  std::vector<std::string> all(const TaskQuery& query, std::size_t limit = 100,
                               std::span<const Task> newer = {},
                               milliseconds budget = milliseconds{60'000}) {
    std::vector<std::string> ids;
    SearchOptions options;
    options.limit = limit;
    options.newer = newer;
    options.budget = budget;
    for (int pages = 0; pages < 2000; ++pages) {
      const auto page = history->search(query, options);
      if (!page) {
        ADD_FAILURE() << page.error().what;
        return ids;
      }
      EXPECT_LE(page->tasks.size(), limit);
      for (const auto& task : page->tasks) ids.push_back(task.uuid.str());
      if (!page->next) {
        EXPECT_TRUE(page->complete);
        return ids;
      }
      options.from = page->next;
    }
    ADD_FAILURE() << "the pages have no end";
    return ids;
  }
};

TEST_P(HistorySearch, NewestFirstOverDaysAndPagesGoOn) {
  append({a_task("a", noon(-2)), a_task("b", noon(-1)), a_task("c", noon(0)),
          a_task("d", noon(0) + seconds{1})});

  for (const std::size_t limit : {1U, 2U, 3U, 4U, 10U}) {
    EXPECT_EQ(all({}, limit), (std::vector<std::string>{"d", "c", "b", "a"}));
    EXPECT_EQ(all({.order = TaskOrder::Oldest}, limit),
              (std::vector<std::string>{"a", "b", "c", "d"}));
  }
}

TEST_P(HistorySearch, AnEmptyHistoryHasAnEmptyPage) {
  const auto page = history->search({}, {});
  ASSERT_TRUE(page.has_value());
  EXPECT_TRUE(page->tasks.empty());
  EXPECT_TRUE(page->complete);
  EXPECT_FALSE(page->next);
}

TEST_P(HistorySearch, TheSlowestIsTheSlowestOfAllDays) {
  std::vector<Task> tasks;
  for (int i = 0; i < 30; ++i) {
    auto task = a_task("t" + std::to_string(i), noon(-(i % 5)) + seconds{i});
    task.runtime = (i * 7) % 30;
    tasks.push_back(task);
  }
  append(tasks);
  std::ranges::sort(tasks, [](const Task& a, const Task& b) { return *a.runtime > *b.runtime; });
  std::vector<std::string> expected;
  for (const auto& task : tasks) expected.push_back(task.uuid.str());

  EXPECT_EQ(all({.order = TaskOrder::Slowest}, 7), expected);
  std::ranges::reverse(expected);
  EXPECT_EQ(all({.order = TaskOrder::Quickest}, 7), expected);
  EXPECT_TRUE(all({.order = TaskOrder::LongestWait}).empty()) << "nothing is known of waiting";
}

TEST_P(HistorySearch, WhatComesWhilePagingMovesNoPage) {
  append(
      {a_task("a", noon(0)), a_task("b", noon(0) + seconds{1}), a_task("c", noon(0) + seconds{2})});
  SearchOptions options;
  options.limit = 1;
  const auto first = history->search({}, options);
  ASSERT_EQ(first->tasks.front().uuid, TaskId{"c"});

  append({a_task("d", noon(0) + seconds{3}), a_task("b2", noon(0) + seconds{1})});

  options.from = first->next;
  options.limit = 10;
  const auto rest = history->search({}, options);
  std::vector<std::string> ids;
  for (const auto& task : rest->tasks) ids.push_back(task.uuid.str());
  EXPECT_EQ(ids, (std::vector<std::string>{"b2", "b", "a"}));
}

TEST_P(HistorySearch, WithoutTimeEveryAnswerGetsOnAndSaysHowFar) {
  std::vector<Task> tasks;
  for (int i = 0; i < 3000; ++i)
    tasks.push_back(a_task("t" + std::to_string(i), noon(-(i % 3)) + milliseconds{i}));
  tasks[1500].exception = "needle";
  tasks[1500].state = TaskState::Failure;
  append(tasks);
  TaskQuery query;
  query.terms.push_back(texts(TaskField::Text, {"NEEDLE"}));
  SearchOptions options;
  options.limit = 10;
  options.budget = milliseconds{0};

  const auto first = history->search(query, options);

  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(first->complete);
  ASSERT_TRUE(first->next);
  ASSERT_TRUE(first->searched_back_to);
  EXPECT_LT(*first->searched_back_to, noon(0) + milliseconds{3000});
  EXPECT_EQ(all(query, 10, {}, milliseconds{0}), std::vector<std::string>{"t1500"});
  query.order = TaskOrder::Slowest;
  EXPECT_TRUE(all(query, 10, {}, milliseconds{0}).empty()) << "it never ran";
}

TEST_P(HistorySearch, WhatIsNewerStandsInThePlaceOfWhatIsStored) {
  append({a_task("a", noon(-1)), a_task("b", noon(0)), a_task("c", noon(0) + seconds{1})});
  auto failed = a_task("b", noon(0));
  failed.state = TaskState::Failure;
  failed.exception = "ValueError('boom')";
  const std::vector<Task> newer{failed, a_task("new", noon(0) + seconds{2})};
  TaskQuery received;
  received.terms.push_back({.field = TaskField::State, .states = {TaskState::Received}});
  TaskQuery bad;
  bad.terms.push_back({.field = TaskField::State, .states = {TaskState::Failure}});

  EXPECT_EQ(all({}, 2, newer), (std::vector<std::string>{"new", "c", "b", "a"}));
  EXPECT_EQ(all(received, 2, newer), (std::vector<std::string>{"new", "c", "a"}));
  EXPECT_EQ(all(bad, 2, newer), std::vector<std::string>{"b"});
  EXPECT_EQ(all({.order = TaskOrder::Oldest}, 1, newer),
            (std::vector<std::string>{"a", "b", "c", "new"}));
}

TEST_P(HistorySearch, WhatIsNewerIsFoundInAHistoryThatHasNothing) {
  const std::vector<Task> newer{a_task("a", noon(-1)), a_task("b", noon(0))};
  EXPECT_EQ(all({}, 1, newer), (std::vector<std::string>{"b", "a"}));
}

TEST_P(HistorySearch, ATaskOfWhichOnlyAMomentIsKnownIsNotFound) {
  append({}, {{TaskId{"t1"}, noon(0), "received", "w1@host", ""}});
  EXPECT_TRUE(all({}).empty());
}

TEST_P(HistorySearch, APlaceOfAnotherOrderIsInvalid) {
  append({a_task("a", noon(0)), a_task("b", noon(0))});
  SearchOptions options;
  options.limit = 1;
  const auto cursor = history->search({}, options)->next;
  for (const auto& from : {std::string{""}, std::string{"x"}, std::string{"2026-11-22,,1,a"},
                           std::string{"2026-13-22,0,1,a"}, std::string{"2026-11-22,0,1"},
                           std::string{"2026-11-22,nan,1,a"}}) {
    options.from = from;
    const auto page = history->search({}, options);
    ASSERT_TRUE(page.has_error()) << from;
    EXPECT_EQ(page.error().code, Errc::Invalid);
  }
  options.from = cursor;
  EXPECT_EQ(history->search({.order = TaskOrder::Slowest}, options).error().code, Errc::Invalid);
}

// Tasks of few names, workers, values, and queries of a few random terms: the engine's answers are
// what the plain meaning of the query says of each task.
TEST_P(HistorySearch, AnyQueryAgreesWithItsPlainMeaning) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  const auto below = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(random); };
  const auto pick = [&](const std::vector<std::string>& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(from.size())))];
  };
  const std::vector<std::string> names{"demo.add", "demo.%_[x]", "reddit.fetch", "größe"};
  const std::vector<std::string> workers{"w1@host", "w2@host", "gen?@host"};
  const std::vector<std::string> words{"Alpha", "b%ta", "g_mma", "de\\lta"};
  constexpr std::array kStates{TaskState::Pending, TaskState::Received, TaskState::Started,
                               TaskState::Success, TaskState::Failure,  TaskState::Revoked,
                               TaskState::Retry,   TaskState::Rejected, TaskState::Custom};
  std::map<std::string, std::pair<Task, WallTime>> model;
  std::vector<Task> tasks;
  for (int i = 0; i < 250; ++i) {
    const auto at = noon(-below(4)) + milliseconds{below(200)};
    Task task = a_task((i % 2 == 0 ? "abcdef" : "ABCDEF") + std::to_string(below(100'000)), at);
    if (model.contains(task.uuid.str())) continue;
    task.state = kStates[static_cast<std::size_t>(below(9))];
    if (task.state == TaskState::Custom) task.custom_state = "PROGRESS";
    task.name = pick(names);
    if (below(3) > 0) task.worker = pick(workers);
    if (below(3) > 0) task.queue = pick({"default", "slow"});
    if (below(2) > 0) task.args = "('" + pick(words) + "', 1)";
    if (below(3) == 0) task.result = pick(words);
    if (task.state == TaskState::Failure) task.exception = "E('" + pick(words) + "')";
    if (below(2) > 0) task.started = at + milliseconds{below(5) - 1};
    if (below(2) > 0) task.runtime = below(5) * 0.25;
    if (below(2) > 0) task.retries = below(3);
    if (below(3) == 0) task.root_id = "abcdef" + std::to_string(below(20));
    if (below(3) == 0) task.parent_id = "abcdef" + std::to_string(below(20));
    model.emplace(task.uuid.str(), std::pair{task, at});
    tasks.push_back(task);
  }
  append(tasks);

  const auto random_term = [&]() -> QueryTerm {
    const bool negated = below(4) == 0;
    const auto some = [&](TaskField field, const std::vector<std::string>& from) {
      QueryTerm term = texts(field, {pick(from)}, negated);
      if (below(3) == 0) term.texts.push_back(pick(from));
      return term;
    };
    switch (below(13)) {
      case 0:
        return {.field = TaskField::State,
                .negated = negated,
                .states = {kStates[static_cast<std::size_t>(below(9))],
                           kStates[static_cast<std::size_t>(below(9))]}};
      case 1:
        return some(TaskField::Name, {"demo.add", "demo.*", "*[x]", "*", "gr*", "none", "*e*"});
      case 2:
        return some(TaskField::Worker, {"w1@host", "w*", "gen?@host", "gen*"});
      case 3:
        return some(TaskField::Queue, {"default", "s*", "x"});
      case 4:
        return some(TaskField::Id, {"abcdef1", "ABC", "abcdef", "x"});
      case 5:
        return some(TaskField::Text, {"alpha", "%", "_", "\\l", "DEMO", "größe"});
      case 6:
        return some(TaskField::Args, {"ALPHA", "', 1"});
      case 7:
        return some(TaskField::Error, {fingerprint("E('Alpha')", ""), "0123456789abcdef"});
      case 8:
        return some(TaskField::Root, {"abcdef3", "abcdef4"});
      case 9:
        return some(TaskField::Parent, {"abcdef3", "abcdef4", "abcdef5"});
      case 10:
        return {.field = TaskField::Runtime,
                .negated = negated,
                .ranges = {{.least = below(5) * 0.25, .above = below(2) == 0}}};
      case 11:
        return {.field = TaskField::Wait,
                .negated = negated,
                .ranges = {{.most = below(4) * 0.001, .below = below(2) == 0}}};
      default:
        return {.field = TaskField::Retries, .negated = negated, .ranges = {{.least = 1}}};
    }
  };
  for (int round = 0; round < 150; ++round) {
    TaskQuery query;
    for (int i = below(4); i > 0; --i) query.terms.push_back(random_term());
    if (below(3) == 0) query.after = noon(-below(4)) + milliseconds{below(200)};
    if (below(3) == 0) query.before = noon(-below(4)) + milliseconds{below(200)};
    query.order = kOrders[static_cast<std::size_t>(below(6))];
    SCOPED_TRACE("round " + std::to_string(round));

    std::vector<const std::pair<Task, WallTime>*> expected;
    for (const auto& [id, each] : model) {
      if (finds(query, each.first, each.second)) expected.push_back(&each);
    }
    std::ranges::sort(expected, [&](const auto* a, const auto* b) {
      const auto key = [&](const auto* each) {
        return std::tuple{order_value(each->first, query.order), each->second,
                          each->first.uuid.str()};
      };
      return is_ascending(query.order) ? key(a) < key(b) : key(b) < key(a);
    });
    std::vector<std::string> ids;
    for (const auto* each : expected) ids.push_back(each->first.uuid.str());
    EXPECT_EQ(all(query, static_cast<std::size_t>(1 + below(60)), {}, milliseconds{below(2) * 999}),
              ids);
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, HistorySearch, ::testing::ValuesIn(history_engines()),
                         [](const auto& engine) { return engine.param.name; });

}  // namespace
}  // namespace umbel::testing
