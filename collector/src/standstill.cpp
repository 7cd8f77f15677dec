#include "standstill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

constexpr std::size_t kNamed = 3;  // of names in a sentence
constexpr std::size_t kLongestReason = 200;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamed) text += fmt::format(" and {} more", names.size() - kNamed);
  return text;
}

std::vector<const WorkerStand*> takers(const std::string& queue,
                                       const std::vector<WorkerStand>& workers) {
  std::vector<const WorkerStand*> sure, perhaps;
  for (const WorkerStand& worker : workers) {
    const auto& queues = worker.queues;
    if (queues.empty()) perhaps.push_back(&worker);
    if (std::find(queues.begin(), queues.end(), queue) != queues.end()) sure.push_back(&worker);
  }
  return sure.empty() ? perhaps : sure;
}

Standstill nobody_takes(const std::string& queue, const std::vector<WorkerStand>& workers) {
  std::set<std::string> others;
  std::size_t online = 0;
  std::vector<std::string> lost;
  for (const WorkerStand& worker : workers) {
    const bool takes =
        std::find(worker.queues.begin(), worker.queues.end(), queue) != worker.queues.end();
    if (worker.online) {
      ++online;
      others.insert(worker.queues.begin(), worker.queues.end());
    } else if (takes) {
      lost.push_back(worker.name);
    }
  }
  std::string text = "no worker takes from it";
  if (!lost.empty()) {
    text += fmt::format("; {} did and stopped without a goodbye", listed(lost));
  } else if (online == 0) {
    text += ", none is online";
  } else if (!others.empty() && !others.contains(queue)) {
    text += fmt::format("; {} online {} from {}", online, online == 1 ? "takes" : "take",
                        listed({others.begin(), others.end()}));
  }
  return {StandstillKind::NoConsumer, std::move(text)};
}

std::string what_runs(const std::vector<const WorkerStand*>& workers) {
  std::map<std::string, std::uint64_t> tasks;
  for (const WorkerStand* worker : workers) {
    for (const auto& [name, count] : worker->runs) tasks[name] += count;
  }
  std::vector<std::pair<std::string, std::uint64_t>> most{tasks.begin(), tasks.end()};
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> words;
  for (const auto& [name, count] : most)
    words.push_back(fmt::format("{} ({})", name.empty() ? "tasks without a name" : name, count));
  return listed(words);
}

Standstill held_up(std::uint64_t consumers, const std::vector<const WorkerStand*>& takers) {
  std::vector<const WorkerStand*> online;
  std::vector<std::string> silent;
  std::int64_t slots = 0, active = 0, stuck = 0;
  bool all_slots_known = true;
  for (const WorkerStand* worker : takers) {
    if (!worker->online) {
      silent.push_back(worker->name);
      continue;
    }
    online.push_back(worker);
    slots += worker->slots;
    active += worker->active;
    stuck += worker->stuck;
    all_slots_known = all_slots_known && worker->slots > 0;
  }
  if (online.empty() && !silent.empty()) {
    return {StandstillKind::WorkersSilent,
            fmt::format("{} {} from it and {} not answer", listed(silent),
                        silent.size() == 1 ? "takes" : "take", silent.size() == 1 ? "does" : "do")};
  }
  if (slots > 0 && stuck >= slots) {
    return {StandstillKind::AllStuck,
            slots == 1 ? "the only slot of its workers is stuck in a task that does not return"
                       : fmt::format("all {} slots of its workers are stuck in tasks that do not "
                                     "return",
                                     slots)};
  }
  if (all_slots_known && slots > 0 && active + stuck >= slots) {
    const std::string tasks = what_runs(online);
    std::string text = online.size() == 1 ? "its worker is busy" : "its workers are all busy";
    if (!tasks.empty()) text += " with " + tasks;
    if (stuck > 0) text += fmt::format("; {} of {} slots are stuck", stuck, slots);
    return {StandstillKind::AllBusy, std::move(text)};
  }
  return {StandstillKind::NotTaking,
          consumers == 1 ? "one worker is connected and takes nothing"
                         : fmt::format("{} workers are connected and take nothing", consumers)};
}

}  // namespace

bool wants_help(StandstillKind kind) {
  switch (kind) {
    case StandstillKind::NoConsumer:
    case StandstillKind::WorkersSilent:
    case StandstillKind::AllStuck:
    case StandstillKind::NotTaking:
      return true;
    case StandstillKind::BrokerSilent:
    case StandstillKind::AllBusy:
    case StandstillKind::AllDelayed:
      break;
  }
  return false;
}

std::optional<Standstill> standstill(const std::string& queue, const QueueStand& stand,
                                     const std::vector<WorkerStand>& workers,
                                     const std::string& broker_error) {
  if (!broker_error.empty()) {
    return Standstill{StandstillKind::BrokerSilent,
                      "the broker does not answer: " + shortened(broker_error, kLongestReason)};
  }
  if (stand.ready == 0) {
    if (stand.delayed == 0) return std::nullopt;
    return Standstill{StandstillKind::AllDelayed,
                      stand.delayed == 1
                          ? "its only task waits for its time"
                          : fmt::format("all {} tasks wait for their time", stand.delayed)};
  }
  if (!stand.unmoved || *stand.unmoved < kStandsStill) return std::nullopt;
  if (stand.consumers == 0) return nobody_takes(queue, workers);
  return held_up(stand.consumers, takers(queue, workers));
}

}  // namespace umbel::collector
