#include "backlog.hpp"

#include <iterator>
#include <utility>

namespace umbel::collector {
namespace {

// Texts that the newer state does not carry any more, from the older one.
void carry_over(const Task& older, Task& newer) {
  const auto carry = [](const std::optional<std::string>& from, std::optional<std::string>& to) {
    if (!to) to = from;
  };
  carry(older.args, newer.args);
  carry(older.kwargs, newer.kwargs);
  carry(older.eta, newer.eta);
  carry(older.expires, newer.expires);
  carry(older.result, newer.result);
  carry(older.exception, newer.exception);
  carry(older.traceback, newer.traceback);
}

// An exception stays: it is short, and what people look for.
bool strip(Task& task) {
  const bool some = task.args || task.kwargs || task.result || task.traceback;
  task.args.reset();
  task.kwargs.reset();
  task.result.reset();
  task.traceback.reset();
  return some;
}

}  // namespace

void Backlog::keep_task(const Task& task) {
  press();
  const bool without_texts = shedding_ && tasks_.size() > limits_.shed_from * 3 / 2;
  const auto [place, fresh] = tasks_.try_emplace(task.uuid, task);
  if (!fresh) {
    Task newer = task;
    carry_over(place->second, newer);
    place->second = std::move(newer);
  } else if (without_texts && strip(place->second)) {
    ++shed_.texts;
  }
}

void Backlog::keep(const Task& task, Moment moment) {
  keep_task(task);
  if (shedding_) {
    ++shed_.moments;
  } else {
    moments_.push_back(std::move(moment));
  }
}

const Task* Backlog::find(const TaskId& id) const {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second;
}

void Backlog::press() {
  if (shedding_ || failing_ || tasks_.size() <= limits_.shed_from) return;
  shedding_ = true;
  shed_.moments += moments_.size();
  moments_.clear();
}

HistoryBatch Backlog::take() {
  HistoryBatch batch;
  batch.tasks.reserve(tasks_.size());
  for (auto& [id, task] : tasks_) batch.tasks.push_back(std::move(task));
  tasks_.clear();
  batch.moments = std::exchange(moments_, {});
  shedding_ = false;
  return batch;
}

void Backlog::put_back(HistoryBatch batch) {
  for (Task& task : batch.tasks) {
    const auto [place, fresh] = tasks_.try_emplace(task.uuid, std::move(task));
    if (!fresh) carry_over(task, place->second);
  }
  std::move(moments_.begin(), moments_.end(), std::back_inserter(batch.moments));
  moments_ = std::move(batch.moments);
}

void Backlog::clear() {
  tasks_.clear();
  moments_.clear();
  shedding_ = false;
}

Shed Backlog::take_shed() { return std::exchange(shed_, {}); }

}  // namespace umbel::collector
