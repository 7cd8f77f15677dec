// The queues in the live state: their figures, how they move, and why they stand still.
#include <algorithm>

#include "live_state.hpp"
#include "name_list.hpp"

namespace umbel::collector {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::size_t kLookedThrough = 20'000;  // tasks, for the oldest of each queue

}  // namespace

void LiveState::name_queue(const std::string& name) {
  if (!name.empty() && (named_queues_.size() < kMostQueueNames || named_queues_.contains(name)))
    named_queues_.insert(name);
}

std::vector<QueueName> LiveState::queues_heard_of() const {
  std::set<std::string> names = named_queues_;
  for (const auto& [name, queue] : queues_) names.insert(name);
  for (const auto& [name, worker] : workers_) {
    for (auto& each : parts_of(worker.state.queues)) names.insert(std::move(each));
  }
  std::vector<QueueName> all;
  for (const auto& name : names) all.emplace_back(name);
  return all;
}

void LiveState::set_queues(const std::vector<QueueFigures>& queues, WallTime now) {
  Sample sample{.at = now, .totals = {}};
  for (const QueueFigures& each : queues) {
    sample.totals.emplace(each.name.str(), std::pair{each.published_total, each.acked_total});
  }
  while (!samples_.empty() && samples_.front().at + kRateWindow < now) samples_.pop_front();
  std::map<std::string, LiveQueue> fresh;
  for (const QueueFigures& each : queues) {
    LiveQueue queue;
    queue.figures = each;
    if (!samples_.empty() && samples_.front().at < now) {
      const auto before = samples_.front().totals.find(each.name.str());
      const double span = std::chrono::duration<double>(now - samples_.front().at).count();
      using Total = std::optional<std::uint64_t>;
      const auto rate = [span](Total is, Total was) -> std::optional<double> {
        if (!is || !was) return std::nullopt;
        return *is < *was ? 0.0 : static_cast<double>(*is - *was) / span;
      };
      const auto was =
          before == samples_.front().totals.end() ? std::pair{Total{0}, Total{0}} : before->second;
      queue.in_rate = rate(each.published_total, was.first);
      queue.out_rate = rate(each.acked_total, was.second);
    }
    fresh.emplace(each.name.str(), std::move(queue));
  }
  samples_.push_back(std::move(sample));
  queues_ = std::move(fresh);
  monitor_.queues_read = now;
  measure_queues(queues, now);
  explain_queues(now);
}

void LiveState::measure_queues(const std::vector<QueueFigures>& queues, WallTime now) {
  std::erase_if(queue_details_, [&](const auto& item) { return !queues_.contains(item.first); });
  std::vector<std::pair<std::vector<std::string>, std::int64_t>> takers;
  for (const auto& [name, worker] : workers_)
    takers.emplace_back(parts_of(worker.state.queues), worker.state.processed);
  for (const QueueFigures& each : queues) {
    auto detail = queue_details_.find(each.name.str());
    if (detail == queue_details_.end()) {
      if (queue_details_.size() >= kMostQueueDetails) continue;
      detail = queue_details_.try_emplace(each.name.str()).first;
    }
    std::int64_t processed = 0;
    for (const auto& [takes, by_them] : takers) {
      if (takes.empty() || std::find(takes.begin(), takes.end(), each.name.str()) != takes.end())
        processed += by_them;
    }
    detail->second.measure(each, processed, now);
  }
}

std::vector<WorkerStand> LiveState::worker_stands(WallTime now) const {
  std::map<std::string_view, std::vector<std::pair<std::string, std::uint64_t>>> runs;
  tasks_.each_running([&](const std::string& worker, const std::string& name, std::uint64_t tasks) {
    runs[worker].emplace_back(name, tasks);
  });
  std::vector<WorkerStand> stands;
  for (const auto& [name, worker] : workers_) {
    const WorkerStatus status = worker.state.status(now);
    if (status == WorkerStatus::Left) continue;
    WorkerStand stand;
    stand.name = name;
    stand.online = status == WorkerStatus::Online;
    stand.queues = parts_of(worker.state.queues);
    stand.active = worker.state.active;
    stand.slots = worker.state.slots;
    stand.stuck = worker.state.stuck;
    if (const auto found = runs.find(name); found != runs.end()) stand.runs = found->second;
    stands.push_back(std::move(stand));
  }
  return stands;
}

void LiveState::explain_queues(WallTime now) {
  const std::vector<WorkerStand> stands = worker_stands(now);
  const auto oldest = tasks_.oldest_by_queue(kLookedThrough);
  for (auto& [name, queue] : queues_) {
    const QueueDetail* const detail = queue_detail(name);
    const auto moved = detail == nullptr ? std::nullopt : detail->moved();
    QueueStand stand{.ready = queue.figures.ready,
                     .delayed = queue.figures.delayed.value_or(0),
                     .consumers = queue.figures.consumers,
                     .unmoved = {}};
    if (moved) stand.unmoved = std::max(now - *moved, microseconds{0});
    queue.drain_seconds = drain_seconds(stand.ready, queue.in_rate, queue.out_rate);
    queue.why = standstill(name, stand, stands, monitor_.broker_error);
    const bool stands_still = stand.ready > 0 && stand.unmoved && *stand.unmoved >= kStandsStill;
    queue.stalled_since = stands_still ? moved : std::nullopt;
    const auto known = oldest.find(name);
    // Of an empty queue what is known to wait is with a worker, or gone unheard.
    const bool empty = stand.ready == 0 && stand.delayed == 0;
    queue.oldest_task = known == oldest.end() || empty ? TaskId{} : known->second;
  }
}

const QueueDetail* LiveState::queue_detail(const std::string& name) const {
  const auto found = queue_details_.find(name);
  return found == queue_details_.end() ? nullptr : &found->second;
}

std::uint64_t LiveState::waiting() const {
  std::uint64_t total = 0;
  for (const auto& [name, queue] : queues_)
    total += queue.figures.ready + queue.figures.delayed.value_or(0);
  return total;
}

std::optional<std::uint64_t> LiveState::taken(WallTime now) const {
  std::uint64_t held = 0, running = 0;
  for (const auto& [name, queue] : queues_) {
    if (!queue.figures.unacked) return std::nullopt;
    held += *queue.figures.unacked;
  }
  for (const auto& [name, worker] : workers_) {
    if (worker.state.status(now) != WorkerStatus::Online) continue;
    running += static_cast<std::uint64_t>(std::max<std::int64_t>(worker.state.active, 0));
  }
  return held > running ? held - running : 0;
}

}  // namespace umbel::collector
