#include "child_tasks.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::testing {
namespace {

using std::chrono::milliseconds;

std::int64_t pid(TaskContext&) { return getpid(); }

void die(TaskContext&, std::int64_t number) {
  // As a bug does it, whatever a sanitizer or a library has put in its way.
  (void)signal(static_cast<int>(number), SIG_DFL);
  raise(static_cast<int>(number));
}

void leave(TaskContext&, std::int64_t code) { _exit(static_cast<int>(code)); }

void throw_odd(TaskContext&) { throw 7; }

[[noreturn]] void spin(TaskContext&) {
  for (std::atomic<std::uint64_t> turns{0};;) ++turns;
}

double nap(TaskContext& context, double seconds) {
  const milliseconds duration{static_cast<std::int64_t>(seconds * 1000)};
  if (!context.sleep_for(duration)) throw TaskError{"InterruptedError", "told to stop"};
  return seconds;
}

std::int64_t eat(TaskContext&, std::int64_t megabytes) {
  static std::vector<char> eaten;
  eaten.assign(static_cast<std::size_t>(megabytes) << 20U, 'x');
  return getpid();
}

// One of each kind of metric, and spawned tasks that count themselves.
void count(TaskContext& context, std::int64_t by) {
  auto& metrics = context.metrics();
  metrics.counter(metrics::kSubmissionsFetched, {"counted", "test"})
      .Increment(static_cast<double>(by));
  metrics.histogram(metrics::kSubmissionAge, {"test"}).Observe(static_cast<double>(by));
  metrics.gauge(metrics::kRedditBudgetLeft, {"test"}).Set(static_cast<double>(by));
  static const metrics::Family own{
      "child_tasks_own_total", metrics::Kind::Counter, "Of no catalogue.", {"why"}, {}};
  metrics.counter(own, {"because"}).Increment();
}

std::int64_t spawn(TaskContext& context, const std::string& name, std::int64_t times,
                   const std::string& args) {
  std::vector<TaskRequest> requests(static_cast<std::size_t>(times));
  for (auto& request : requests) {
    request.name = name;
    request.args = args;
  }
  const auto accepted = context.spawn(requests);
  if (!accepted) throw FinalTaskError{"SpawnError", accepted.error().what};
  return static_cast<std::int64_t>(accepted->size());
}

// What every descriptor of the process is.
std::map<std::string, std::string> descriptors(TaskContext&) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone) all[entry.path().filename().string()] = target.string();
  }
  return all;
}

std::string status(TaskContext&, const std::string& field) {
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field + ":"))
      return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  }
  return "";
}

// Frames of its own making.
void babble(TaskContext& context) {
  const std::string nonsense = "no frame at all, and far too long for one";
  (void)send(3, nonsense.data(), nonsense.size(), MSG_NOSIGNAL);
  (void)context.sleep_for(milliseconds{60'000});
}

// Leaves somebody behind who holds what it held.
void orphan(TaskContext&) {
  if (fork() == 0) {
    std::this_thread::sleep_for(milliseconds{3000});  // as long as the orphan lives
    _exit(0);
  }
  raise(SIGKILL);
}

std::string text(TaskContext&, std::int64_t bytes) {
  return std::string(static_cast<std::size_t>(bytes), 'x');
}

boost::json::value same(TaskContext&, const boost::json::value& value) { return value; }

std::string again(TaskContext& context, bool counts) {
  if (counts && context.retries() == 0) context.retry("once more", milliseconds{10});
  if (!counts) context.retry_later(milliseconds{3'600'000}, "much later");
  return fmt::format("{} retries", context.retries());
}

}  // namespace

void add_child_tasks(TaskRegistry& tasks) {
  tasks.add("pid", pid, {});
  tasks.add("die", die, {"signal"});
  TaskOptions again_if_lost;
  again_if_lost.reject_on_worker_lost = true;
  tasks.add("die_again", die, {"signal"}, again_if_lost);
  tasks.add("leave", leave, {"code"});
  tasks.add("throw_odd", throw_odd, {});
  TaskOptions limited;
  limited.time_limit = 0.2;
  tasks.add("spin", spin, {}, limited);
  TaskOptions soft;
  soft.soft_time_limit = 0.2;
  tasks.add("spin_softly", spin, {}, soft);
  tasks.add("nap", nap, {"seconds"});
  tasks.add("nap_softly", nap, {"seconds"}, soft);
  tasks.add("eat", eat, {"megabytes"});
  tasks.add("count", count, {"by"});
  tasks.add("spawn", spawn, {"name", "times", "args"});
  tasks.add("descriptors", descriptors, {});
  tasks.add("status", status, {"field"});
  tasks.add("babble", babble, {});
  tasks.add("orphan", orphan, {});
  tasks.add("text", text, {"bytes"});
  tasks.add("same", same, {"value"});
  TaskOptions retried;
  retried.retry.max_retries = 3;
  tasks.add("again", again, {"counts"}, retried);
}

}  // namespace umbel::testing
