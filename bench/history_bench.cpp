// The embedded history: writing tasks with their timelines as the collector does, and finding them
// again. Then the twelve named shapes of search, each cold and warm.
//
// Appends batches of finished tasks (four moments each), spread over the given days. Then a fresh
// connection, with the kernel's pages of the files dropped, finds single tasks by id and reads
// pages of the latest. Arguments: tasks (1,000,000), tasks in a batch (500), days (3).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <utility>

#include "processes.hpp"
#include "umbel/model/fingerprint.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using umbel::Moment;
using umbel::Task;
using umbel::WallTime;

std::string id_of(std::size_t number) {  // in no order, as UUIDs are
  std::mt19937_64 random{number};
  const auto a = random();
  const auto b = random();
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", a >> 32, (a >> 16) & 0xffff,
                     a & 0xfff, (b >> 48) & 0xfff, b & 0xffff'ffff'ffff);
}

Task finished(std::size_t number, WallTime at) {
  Task task;
  task.uuid = umbel::TaskId{id_of(number)};
  task.state = umbel::TaskState::Success;
  task.name = "application.tasks.number_" + std::to_string(number % 20);
  task.sent = at;
  task.received = at + std::chrono::milliseconds{2};
  task.started = at + std::chrono::milliseconds{3};
  task.succeeded = at + std::chrono::milliseconds{40};
  task.timestamp = *task.succeeded;
  task.args = "('https://example.org/" + std::to_string(number) + "', 5)";
  task.kwargs = "{'retry': True}";
  task.retries = 0;
  task.worker = "worker" + std::to_string(number % 8) + "@host";
  task.result = "'ok'";
  task.runtime = 0.037;
  task.queue = "default";
  task.starts = 1;
  task.started = *task.received + std::chrono::microseconds{(number * 7919) % 50'000};
  task.runtime = static_cast<double>((number * 104'729) % 5'000'000) / 1e6;
  if (number % 100 == 7) {
    task.state = umbel::TaskState::Failure;
    task.failed = std::exchange(task.succeeded, std::nullopt);
    task.result.reset();
    task.exception =
        fmt::format("ValueError('no {} thing: {}')", number % 700 == 7 ? "such" : "other", number);
  }
  if (number % 50 == 3) task.retries = static_cast<std::int64_t>(1 + number % 3);
  return task;
}

umbel::TaskQuery query_of(std::vector<umbel::QueryTerm> terms,
                          umbel::TaskOrder order = umbel::TaskOrder::Newest) {
  umbel::TaskQuery query;
  query.terms = std::move(terms);
  query.order = order;
  return query;
}

umbel::QueryTerm texts(umbel::TaskField field, std::string text) {
  umbel::QueryTerm term;
  term.field = field;
  term.texts.push_back(std::move(text));
  return term;
}

struct Shape {
  const char* name;
  umbel::TaskQuery query;
};

std::vector<Shape> shapes(std::size_t count, WallTime middle) {
  using enum umbel::TaskField;
  umbel::QueryTerm failed;
  failed.field = State;
  failed.states = {umbel::TaskState::Failure};
  umbel::QueryTerm running;
  running.field = State;
  running.states = {umbel::TaskState::Started};
  const std::string name = "application.tasks.number_7";
  auto then = query_of({});
  then.before = middle;
  return {{"newest", query_of({})},
          {"before a time", then},
          {"name", query_of({texts(Name, name)})},
          {"names by glob", query_of({texts(Name, "application.*_1*")})},
          {"failed", query_of({failed})},
          {"running", query_of({running})},
          {"failed of a name", query_of({failed, texts(Name, name)})},
          {"worker", query_of({texts(Worker, "worker3@host")})},
          {"one error",
           query_of({texts(Error, umbel::fingerprint("ValueError('no such thing: 7')", ""))})},
          {"id prefix", query_of({texts(Id, id_of(count / 3).substr(0, 8))})},
          {"slowest", query_of({}, umbel::TaskOrder::Slowest)},
          {"slowest of a name", query_of({texts(Name, name)}, umbel::TaskOrder::Slowest)},
          {"text in arguments, frequent", query_of({texts(Text, "example.org")})},
          {"text, nowhere (one answer within the budget)", query_of({texts(Text, "needle")})}};
}

void add_moments(const Task& task, std::vector<Moment>& moments) {
  const auto add = [&](const std::optional<WallTime>& at, const char* type) {
    moments.push_back({task.uuid, *at, type, *task.worker, ""});
  };
  add(task.sent, "sent");
  add(task.received, "received");
  add(task.started, "started");
  add(task.succeeded, "succeeded");
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Answers the bytes of the files.
std::uintmax_t drop_pages(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
    if (!entry.is_regular_file()) continue;
    bytes += entry.file_size();
    const int file = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
  return bytes;
}

template <class T>
T value_of(umbel::Result<T> result) {
  if (!result) throw std::runtime_error{result.error().what};
  return std::move(*result);
}

void tell(const char* what, std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const auto at = [&](double share) {
    return 1e3 *
           seconds[std::min(seconds.size() - 1,
                            static_cast<std::size_t>(share * static_cast<double>(seconds.size())))];
  };
  std::cout << fmt::format("{}: p50 {:.2f} ms, p99 {:.2f} ms, max {:.2f} ms\n", what, at(0.5),
                           at(0.99), 1e3 * seconds.back());
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::stoul(argv[1]) : 1'000'000;
  const std::size_t batch = argc > 2 ? std::stoul(argv[2]) : 500;
  const std::size_t days = argc > 3 ? std::stoul(argv[3]) : 3;
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const auto open_history = [&] {
    return umbel::open_sqlite_history({.folder = dir.file("history")}, clock, log).value();
  };
  const auto first = clock.wall() - std::chrono::days{days};
  const auto step = std::chrono::microseconds{std::chrono::days{days}} / static_cast<long>(count);

  {
    const auto history = open_history();
    double wall = 0;
    double cpu = 0;
    for (std::size_t done = 0; done < count;) {
      std::vector<Task> tasks;
      std::vector<Moment> moments;
      for (std::size_t i = 0; i < batch && done < count; ++i, ++done) {
        tasks.push_back(finished(done, first + static_cast<long>(done) * step));
        add_moments(tasks.back(), moments);
      }
      umbel::HistoryPosition position;
      position.event_offset = done;
      position.note = std::string(200, 'n');
      const auto begin = umbel::Steady::now();
      const double used = cpu_seconds();
      const auto appended = history->append(tasks, moments, position);
      cpu += cpu_seconds() - used;
      wall += umbel::bench::seconds_since(begin);
      if (!appended) throw std::runtime_error{appended.error().what};
    }
    const auto each = [&](double seconds) { return 1e6 * seconds / static_cast<double>(count); };
    std::cout << fmt::format("append: {:.0f} tasks/s, {:.1f} us per task, {:.1f} us of CPU\n",
                             static_cast<double>(count) / wall, each(wall), each(cpu));
  }

  const auto bytes = drop_pages(dir.path());
  std::cout << fmt::format("on disk: {} tasks, {} bytes per task\n", count, bytes / count);
  std::mt19937_64 random{7};
  std::vector<double> cold, pages, unknown;
  for (int i = 0; i < 20; ++i) {
    drop_pages(dir.path());
    const umbel::TaskId id{id_of(random() % count)};
    const auto begin = umbel::Steady::now();
    const auto history = open_history();
    value_of(history->find(id));
    cold.push_back(umbel::bench::seconds_since(begin));
  }
  tell("find by id, cold, with opening", cold);
  for (int i = 0; i < 20; ++i) {
    drop_pages(dir.path());
    const auto begin = umbel::Steady::now();
    const auto history = open_history();
    if (value_of(history->latest(100, std::nullopt)).tasks.empty()) {
      throw std::runtime_error{"the history is empty"};
    }
    pages.push_back(umbel::bench::seconds_since(begin));
  }
  tell("latest page of 100, cold, with opening", pages);
  const auto history = open_history();
  std::vector<double> warm;
  for (int i = 0; i < 1000; ++i) {
    const umbel::TaskId id{id_of(random() % count)};
    auto begin = umbel::Steady::now();
    value_of(history->find(id));
    warm.push_back(umbel::bench::seconds_since(begin));
    begin = umbel::Steady::now();
    if (history->find(umbel::TaskId{id_of(count + random() % count)})) {
      throw std::runtime_error{"a task was found that was never kept"};
    }
    unknown.push_back(umbel::bench::seconds_since(begin));
  }
  tell("find by id, warm", warm);
  tell("find an unknown id, warm", unknown);

  for (const auto& shape : shapes(count, first + std::chrono::hours{36})) {
    std::vector<double> cold_search, warm_search;
    std::size_t found = 0;
    bool complete = true;
    for (int i = 0; i < 10; ++i) {
      drop_pages(dir.path());
      const auto fresh = open_history();
      const auto begin = umbel::Steady::now();
      const auto page = value_of(fresh->search(shape.query, {}));
      cold_search.push_back(umbel::bench::seconds_since(begin));
      found = page.tasks.size();
      complete = complete && page.complete;
    }
    for (int i = 0; i < 50; ++i) {
      const auto begin = umbel::Steady::now();
      value_of(history->search(shape.query, {}));
      warm_search.push_back(umbel::bench::seconds_since(begin));
    }
    const std::string what =
        fmt::format("search: {} ({} rows{})", shape.name, found, complete ? "" : ", not complete");
    tell((what + ", cold").c_str(), cold_search);
    tell((what + ", warm").c_str(), warm_search);
  }
}
