// Writes to the history on a thread of its own, one batch at a time: a disk that takes a second
// must not hold up what is happening now.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "backlog.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/history/history.hpp"

namespace umbel::collector {

struct WriteOutcome {
  std::shared_ptr<HistoryBatch> batch;
  // Conflict, and nothing tried: the history does not stand where it was expected to.
  Result<void> result;
  bool tried = false;  // to append
  std::chrono::microseconds took{};
};

// Used by one thread.
class HistoryWriter {
 public:
  // References outlive it.
  HistoryWriter(History& history, const Clock& clock);

  // A batch is being written, or its outcome was not asked for yet.
  [[nodiscard]] bool busy() const { return in_hand_ != nullptr; }
  // Not while busy. With `expected`, becomes the history's writer first, and writes only if the
  // history stands at one of these positions.
  void write(HistoryBatch batch, std::vector<HistoryPosition> expected = {});
  // A task of the batch that is being written, which may not be in the history yet. Valid until the
  // outcome is taken.
  [[nodiscard]] const Task* find(const TaskId& id);
  // Of the batch given last, once; waits up to `limit` for it.
  [[nodiscard]] std::optional<WriteOutcome> outcome(std::chrono::milliseconds limit);

 private:
  struct Given {
    std::shared_ptr<HistoryBatch> batch;
    std::vector<HistoryPosition> expected;
  };
  void run(const std::stop_token& stop);
  [[nodiscard]] Result<void> expect(const std::vector<HistoryPosition>& expected);

  History& history_;
  const Clock& clock_;
  std::shared_ptr<const HistoryBatch> in_hand_;    // only read while it is being written
  std::unordered_map<TaskId, const Task*> index_;  // of in_hand_, made when asked for

  std::mutex mutex_;  // of what follows
  std::condition_variable_any changed_;
  std::optional<Given> given_;
  std::optional<WriteOutcome> outcome_;
  std::jthread thread_;
};

}  // namespace umbel::collector
