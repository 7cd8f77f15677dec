#include "truth.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "umbel/base/text.hpp"
#include "umbel/http/message.hpp"

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr microseconds kBlind = seconds{5};
constexpr microseconds kBehind = seconds{10};
constexpr microseconds kJustStarted = seconds{6};  // three heartbeats
constexpr std::size_t kLongestReason = 200;        // bytes
constexpr microseconds kLongWait = seconds{60};
constexpr std::uint64_t kEnoughToJudge = 10;
constexpr double kManyFail = 0.05;
constexpr double kMostFail = 0.5;

double failing(const TruthFacts& facts) {
  return facts.finished == 0
             ? 0
             : static_cast<double>(facts.failed) / static_cast<double>(facts.finished);
}

// A monitor that has just started knows only part of the minute; a few seconds are too short to
// judge by.
std::uint64_t per_minute(const TruthFacts& facts) {
  if (facts.seconds_seen < 10 || facts.seconds_seen >= 60) return facts.finished;
  return facts.finished * 60 / static_cast<std::uint64_t>(facts.seconds_seen);
}

std::string percent(double ratio) {
  const double value = ratio * 100;
  return value > 0 && value < 9.95 ? fmt::format("{:.1f} %", value)
                                   : fmt::format("{:.0f} %", value);
}

std::string tasks_wait(std::uint64_t count) {
  return count == 1 ? "1 task waits" : grouped(count) + " tasks wait";
}

std::string because(const std::string& reason) {
  return reason.empty() ? "" : " The broker says: " + shortened(reason, kLongestReason) + ".";
}

std::string link_to(std::string_view view, const std::string& name) {
  return fmt::format("/{}/{}", view, http::percent_encoded(name));
}

std::optional<Truth> stuck_slots(const TruthFacts& facts) {
  if (facts.workers_stuck.empty()) return std::nullopt;
  const StuckFact& first = facts.workers_stuck.front();
  std::string text = fmt::format("Worker {} has {} of {} slots stuck in tasks that do not return",
                                 first.worker, first.stuck, first.slots);
  if (facts.workers_stuck.size() > 1) {
    text += fmt::format("; so {} {} more", facts.workers_stuck.size() == 2 ? "has" : "have",
                        facts.workers_stuck.size() - 1);
  }
  const bool all = std::all_of(facts.workers_stuck.begin(), facts.workers_stuck.end(),
                               [](const StuckFact& each) { return each.stuck >= each.slots; });
  const bool nobody_works = all && facts.workers_stuck.size() == facts.workers_online;
  return Truth{nobody_works ? TruthLevel::Bad : TruthLevel::Warn,
               text + (nobody_works ? ". No task is run until it is restarted."
                                    : ". They come back when it is restarted."),
               facts.workers_stuck.size() == 1 ? link_to("worker", first.worker) : "/workers"};
}

std::optional<Truth> store_trouble(const TruthFacts& facts) {
  if (facts.store_error.empty()) return std::nullopt;
  return Truth{TruthLevel::Bad,
               "The store does not answer: no task can be accepted, and results cannot be kept. " +
                   shortened(facts.store_error, kLongestReason),
               "/system"};
}

// What the monitor itself cannot see comes first: nothing else it says may be trusted then.
std::optional<Truth> blindness(const TruthFacts& facts) {
  const auto unknown = [](std::string text) {
    return Truth{TruthLevel::Unknown, std::move(text), "/system"};
  };
  if (!facts.blind_for) {
    if (facts.up < kBlind)
      return unknown("The monitor has just started and has not read any events yet.");
    return unknown(
        fmt::format("The monitor is blind: it could not read any events since it started {} ago.",
                    spoken(facts.up)));
  }
  if (*facts.blind_for > kBlind) {
    return unknown(
        fmt::format(
            "The monitor is blind: it could not read events for {}. What is shown is older.",
            spoken(*facts.blind_for)) +
        because(facts.broker_error));
  }
  if (facts.queues_age ? *facts.queues_age > 2 * kBlind : facts.up > 2 * kBlind) {
    return unknown("The monitor cannot read the queues; how many tasks wait is not known." +
                   because(facts.broker_error));
  }
  if (facts.lag > kBehind) {
    return unknown(
        fmt::format("The monitor is {} behind; what is shown is of then.", spoken(facts.lag)));
  }
  return std::nullopt;
}

// How long nobody has taken from it though something waits; nothing: somebody does or will.
std::optional<microseconds> stands_for(const QueueFact& queue) {
  if (queue.ready == 0) return std::nullopt;
  if (queue.unmoved && queue.why && wants_help(queue.why->kind)) return queue.unmoved;
  const bool nobody =
      queue.consumers == 0 && queue.oldest_wait.value_or(microseconds{}) >= kStandsStill;
  return nobody ? queue.oldest_wait : std::nullopt;
}

std::optional<Truth> standing_queue(const TruthFacts& facts) {
  const QueueFact* worst = nullptr;
  std::optional<microseconds> longest;
  for (const QueueFact& queue : facts.queues) {
    const auto stands = stands_for(queue);
    if (!stands || (longest && *longest >= *stands)) continue;
    longest = stands;
    worst = &queue;
  }
  if (worst == nullptr) return std::nullopt;
  return Truth{
      TruthLevel::Bad,
      fmt::format("Queue {} has stood still for {}: {}. {}.", worst->name, spoken(*longest),
                  worst->why ? worst->why->text : "no worker takes from it",
                  tasks_wait(worst->ready)),
      link_to("queue", worst->name)};
}

std::optional<Truth> missing_workers(const TruthFacts& facts) {
  if (facts.workers_online > 0) {
    if (facts.workers_lost.empty()) return std::nullopt;
    const std::size_t count = facts.workers_lost.size();
    return Truth{
        TruthLevel::Warn,
        count == 1 ? fmt::format("Worker {} stopped without a goodbye.", facts.workers_lost.front())
                   : fmt::format("{} workers stopped without a goodbye, {} among them.", count,
                                 facts.workers_lost.front()),
        count == 1 ? link_to("worker", facts.workers_lost.front()) : "/workers"};
  }
  std::uint64_t waiting = 0;
  for (const QueueFact& queue : facts.queues) waiting += queue.ready;
  if (waiting > 0) {
    return Truth{TruthLevel::Bad, fmt::format("No worker is online; {}.", tasks_wait(waiting)),
                 "/workers"};
  }
  return Truth{TruthLevel::Warn, "No worker is online.", "/workers"};
}

std::optional<Truth> failures(const TruthFacts& facts) {
  const double ratio = failing(facts);
  if (facts.finished < kEnoughToJudge || ratio <= kManyFail) return std::nullopt;
  return Truth{ratio > kMostFail ? TruthLevel::Bad : TruthLevel::Warn,
               fmt::format("{} of the last minute's {} tasks failed.", percent(ratio),
                           grouped(facts.finished)),
               "/errors"};
}

const QueueFact* longest_waiting(const TruthFacts& facts) {
  const QueueFact* longest = nullptr;
  for (const QueueFact& each : facts.queues) {
    if (each.oldest_wait && (longest == nullptr || *each.oldest_wait > *longest->oldest_wait))
      longest = &each;
  }
  return longest;
}

std::optional<Truth> wrong_schedule(const TruthFacts& facts) {
  if (!facts.schedule_wrong) return std::nullopt;
  const ScheduleFact& wrong = *facts.schedule_wrong;
  return Truth{TruthLevel::Warn,
               fmt::format("The schedule's file has had an error for {}; the one read {} ago is in "
                           "force. {}",
                           spoken(wrong.wrong_for), spoken(wrong.in_force_for),
                           shortened(wrong.what, kLongestReason)),
               "/schedule"};
}

// What is shown is not all that happens, as long as that is so.
std::optional<Truth> untold(const TruthFacts& facts) {
  const auto of = [](const std::vector<std::string>& names, std::string text) {
    return Truth{TruthLevel::Warn, std::move(text),
                 names.size() == 1 ? link_to("worker", names.front()) : "/workers"};
  };
  if (const auto& twins = facts.workers_twins; !twins.empty()) {
    return of(twins, fmt::format("Two workers use the name {}; which of them has a task cannot be "
                                 "known.",
                                 twins.front()));
  }
  const auto& silent = facts.workers_silent;
  if (silent.empty()) return std::nullopt;
  return of(silent, silent.size() == 1
                        ? fmt::format("Worker {} runs tasks and tells of none: its events are off, "
                                      "and counts are low.",
                                      silent.front())
                        : fmt::format("{} workers run tasks and tell of none, {} among them: their "
                                      "events are off, and counts are low.",
                                      silent.size(), silent.front()));
}

std::optional<Truth> losses(const TruthFacts& facts) {
  if (!facts.history_error.empty()) {
    return Truth{TruthLevel::Warn,
                 "The history cannot be written; live figures go on. " + facts.history_error,
                 "/system"};
  }
  if (facts.history_sheds) {
    return Truth{TruthLevel::Warn,
                 "The history does not keep up: timelines and arguments are left out; live figures "
                 "go on.",
                 "/system"};
  }
  if (facts.missed_lately > 0) {
    return Truth{TruthLevel::Warn,
                 fmt::format("{} events were missed in the last minute; counts may be low.",
                             grouped(facts.missed_lately)),
                 "/system"};
  }
  return std::nullopt;
}

}  // namespace

const char* to_text(TruthLevel level) {
  switch (level) {
    case TruthLevel::Ok:
      return "ok";
    case TruthLevel::Warn:
      return "warn";
    case TruthLevel::Bad:
      return "bad";
    case TruthLevel::Unknown:
      break;
  }
  return "unknown";
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

Truth line_of_truth(const TruthFacts& facts) {
  if (auto blind = blindness(facts)) return *blind;
  if (auto down = store_trouble(facts)) return *down;
  if (auto standing = standing_queue(facts)) return *standing;
  auto stuck = stuck_slots(facts);
  if (stuck && stuck->level == TruthLevel::Bad) return *stuck;
  auto workers = missing_workers(facts);
  if (workers && facts.workers_online == 0 && facts.workers_lost.empty() &&
      facts.up < kJustStarted) {
    return {TruthLevel::Unknown, "The monitor has just started and listens for workers.", ""};
  }
  auto failed = failures(facts);
  for (const auto& each : {workers, failed}) {
    if (each && each->level == TruthLevel::Bad) return *each;
  }
  const QueueFact* const queue = longest_waiting(facts);
  const auto oldest = queue == nullptr ? std::nullopt : queue->oldest_wait;
  if (workers) return *workers;
  if (failed) return *failed;
  if (stuck) return *stuck;
  if (auto wrong = wrong_schedule(facts)) return *wrong;
  if (auto lost = losses(facts)) return *lost;
  if (auto unseen = untold(facts)) return *unseen;
  if (oldest && *oldest > kLongWait) {
    return {TruthLevel::Warn,
            fmt::format("The oldest task in queue {} has waited {}{}.", queue->name,
                        spoken(*oldest), queue->why ? ": " + queue->why->text : ""),
            link_to("queue", queue->name)};
  }
  // A ratio of few says little.
  const std::string failing_part = facts.failed > 0 && facts.finished < kEnoughToJudge
                                       ? fmt::format("{} of them failed", facts.failed)
                                       : fmt::format("{} failing", percent(failing(facts)));
  const auto rate = per_minute(facts);
  std::string text = fmt::format("All well. {} {}/min, {}", grouped(rate),
                                 rate == 1 ? "task" : "tasks", failing_part);
  text += oldest ? fmt::format(", oldest wait {}", spoken(*oldest))
                 : std::string{", nothing waits in the queues"};
  // What a worker has fetched waits too, though no queue shows it.
  if (facts.taken > 0) {
    text += fmt::format(", {} taken by workers and not started", grouped(facts.taken));
  }
  return {TruthLevel::Ok, text + ".", ""};
}

}  // namespace umbel::collector
