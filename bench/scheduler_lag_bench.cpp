// How late ticks are: the real umbel-scheduler over the embedded engines with 1,000 entries.
//
// A process of its own runs a generated file (400 entries every second, 300 every two, 200 every
// five, 100 every ten: 1,000 due at once every ten seconds, 600 a second on average). Told are two
// lags, both from a tick's instant: to the moment its acceptance began, from the tick ledger, and
// to the moment its task could be taken from the queue, from a consumer of this program. Arguments:
// path of umbel-scheduler, entries (1,000), seconds (30), schedulers on one store (1).
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/scheduler/ticker.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::Steady;
using umbel::WallTime;

void write_schedule(const std::string& path, std::size_t entries) {
  std::ofstream file{path};
  file << "schedules:\n";
  for (std::size_t i = 0; i < entries; ++i) {
    const auto part = i * 10 / entries;
    const int every = part < 4 ? 1 : part < 7 ? 2 : part < 9 ? 5 : 10;
    file << fmt::format("  - {{name: s{}, every: {}s, task: noop}}\n", i, every);
  }
}

pid_t start(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) {
    throw std::runtime_error{arguments.front() + " cannot be started"};
  }
  return pid;
}

void tell(const std::string& what, std::vector<double> lags) {
  std::ranges::sort(lags);
  const auto at = [&](double share) {
    return lags[std::min(lags.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(lags.size())))];
  };
  std::cout << fmt::format("{}: {} ticks, p50 {:.1f} ms, p99 {:.1f} ms, max {:.1f} ms\n", what,
                           lags.size(), at(0.5), at(0.99), lags.back());
}

double milliseconds_after(WallTime due, WallTime at) {
  return std::chrono::duration<double, std::milli>(at - due).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "scheduler_lag_bench PATH_OF_UMBEL_SCHEDULER [entries] [seconds] [schedulers]\n";
    return 2;
  }
  const std::size_t entries = argc > 2 ? std::stoul(argv[2]) : 1'000;
  const seconds lasting{argc > 3 ? std::stoi(argv[3]) : 30};
  const int schedulers = argc > 4 ? std::stoi(argv[4]) : 1;
  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const auto broker =
      umbel::open_sqlite_broker({.path = dir.file("b.db")}, clock, umbel::Log::none()).value();
  const auto store =
      umbel::open_sqlite_store({.path = dir.file("s.db")}, clock, umbel::Log::none()).value();
  write_schedule(dir.file("s.yaml"), entries);

  std::vector<pid_t> processes;
  for (int i = 0; i < schedulers; ++i) {
    processes.push_back(start(
        {argv[1], "--schedule", dir.file("s.yaml"), "--store", "sqlite:" + dir.file("s.db"),
         "--broker", "sqlite:" + dir.file("b.db"), "--metrics-port", "0", "--log-level", "warn"}));
  }
  std::unordered_map<std::string, WallTime> taken;  // by task id
  const auto end = Steady::now() + lasting;
  const auto consumer = broker
                            ->consume({.queues = {umbel::QueueName{umbel::kDefaultQueue}},
                                       .prefetch = 1'000'000,
                                       .consumer = "bench"})
                            .value();
  while (Steady::now() < end) {
    const auto batch = consumer->next(1'000, milliseconds{100}, {}).value();
    const auto now = clock.wall();
    std::vector<umbel::DeliveryTag> tags;
    for (const auto& delivery : batch) {
      taken.try_emplace(delivery.message.correlation_id, now);
      tags.push_back(delivery.tag);
    }
    if (!tags.empty() && !consumer->ack(tags)) return 1;
  }
  for (const auto process : processes) kill(process, SIGTERM);
  for (const auto process : processes) waitpid(process, nullptr, 0);

  std::vector<double> accepted, delivered;
  std::uint64_t missed = 0;
  for (const auto& row : store->ticks().recent(10'000'000).value()) {
    missed += row.missed;
    if (row.outcome != umbel::TickOutcome::Enqueued) continue;
    accepted.push_back(milliseconds_after(row.due, row.recorded));
    const auto at = taken.find(row.task.str());
    if (at != taken.end()) delivered.push_back(milliseconds_after(row.due, at->second));
  }
  if (accepted.empty() || delivered.empty()) {
    std::cerr << "no tick was enqueued\n";
    return 1;
  }
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  const double cpu =
      static_cast<double>(children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
      static_cast<double>(children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1e6;
  tell("instant to acceptance", std::move(accepted));
  tell("instant to delivered ", std::move(delivered));
  std::cout << fmt::format("{} missed; {:.0f} us of the schedulers' CPU for each tick\n", missed,
                           cpu * 1e6 / static_cast<double>(taken.size()));
  return 0;
}
