#include "history_writer.hpp"

#include <algorithm>
#include <utility>

namespace umbel::collector {

HistoryWriter::HistoryWriter(History& history, const Clock& clock)
    : history_{history}, clock_{clock}, thread_{[this](const std::stop_token& stop) {
        run(stop);
      }} {}

void HistoryWriter::write(HistoryBatch batch, std::vector<HistoryPosition> expected) {
  auto shared = std::make_shared<HistoryBatch>(std::move(batch));
  in_hand_ = shared;
  const std::lock_guard lock{mutex_};
  given_ = Given{std::move(shared), std::move(expected)};
  changed_.notify_all();
}

const Task* HistoryWriter::find(const TaskId& id) {
  if (!in_hand_) return nullptr;
  if (index_.empty()) {
    for (const Task& task : in_hand_->tasks) index_.emplace(task.uuid, &task);
  }
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : found->second;
}

std::optional<WriteOutcome> HistoryWriter::outcome(std::chrono::milliseconds limit) {
  if (!in_hand_) return std::nullopt;
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, limit, [this] { return outcome_.has_value(); });
  if (!outcome_) return std::nullopt;
  in_hand_.reset();
  index_.clear();
  return std::exchange(outcome_, std::nullopt);
}

Result<void> HistoryWriter::expect(const std::vector<HistoryPosition>& expected) {
  if (expected.empty()) return {};
  if (auto ours = history_.become_writer(); !ours) return ours;
  const auto position = history_.position();
  if (!position) return position.error();
  if (std::ranges::find(expected, *position) != expected.end()) return {};
  return Error{Errc::Conflict, "another collector has written the history meanwhile"};
}

void HistoryWriter::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [this] { return given_.has_value(); })) {
    const Given given = *std::exchange(given_, std::nullopt);
    WriteOutcome done;
    done.batch = given.batch;
    lock.unlock();
    const auto begin = clock_.steady();
    done.result = expect(given.expected);
    done.tried = done.result.has_value();
    if (done.tried) {
      done.result = history_.append(done.batch->tasks, done.batch->moments, done.batch->position);
    }
    done.took = std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - begin);
    lock.lock();
    outcome_ = std::move(done);
    changed_.notify_all();
  }
}

}  // namespace umbel::collector
