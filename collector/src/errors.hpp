// What tasks failed with, counted by kind of error (model/fingerprint.hpp), over the last hour, day
// and week, and since when. Bounded: 2,000 kinds; what is beyond them is counted as folded.
//
// What was counted is kept in the history as one row for each half hour, so that a restart forgets
// nothing. Plain object.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "umbel/history/history.hpp"
#include "umbel/model/task.hpp"

namespace umbel::collector {

// A window that errors are shown over, as 48 cells.
struct ErrorWindow {
  std::int64_t minutes;
  std::int64_t cell;  // seconds
};
inline constexpr std::size_t kErrorCells = 48;
inline constexpr std::array<ErrorWindow, 3> kErrorWindows{{{60, 75}, {1440, 1800}, {10080, 12600}}};

struct ErrorGroup {
  std::string fingerprint, type, message;  // normalised
  std::string sample_message;
  TaskId sample_task;  // the latest
  std::uint64_t count = 0;
  std::int64_t first_seen = 0, last_seen = 0;  // Unix time, seconds; first_seen of all that is kept
  std::map<std::string, std::uint64_t> names, workers;
  std::vector<std::uint64_t> spark;  // kErrorCells, oldest first
};

// Not thread-safe.
class ErrorBook {
 public:
  static constexpr const char* kKind = "errors";
  static constexpr std::size_t kMostGroups = 2000;
  static constexpr std::size_t kMostNames = 20;  // of each group; and as many workers

  // A task has failed just now, or a little earlier. One whose exception is not known is passed
  // over.
  void note(const Task& failed, std::int64_t second);

  // Those seen within the window, the one seen last first. Counts, names and workers are those of
  // the window's time, as far as cells tell: names and workers are of the last half hour at least.
  [[nodiscard]] std::vector<ErrorGroup> groups(const ErrorWindow& window, std::int64_t now) const;
  [[nodiscard]] std::optional<ErrorGroup> find(const std::string& fingerprint,
                                               const ErrorWindow& window, std::int64_t now) const;
  // Failures that were counted in no group because there were too many of them.
  [[nodiscard]] std::uint64_t folded() const { return folded_; }
  [[nodiscard]] std::size_t size() const { return groups_.size(); }

  // For the history.
  [[nodiscard]] std::vector<KeptRow> take_changed();
  void changed_again(const KeptRow& row);  // it could not be written
  void restore(const KeptRow& row);        // one that cannot be read is passed over

 private:
  static constexpr std::int64_t kHalfHour = 1800;
  static constexpr std::size_t kFine = 24;  // cells of the shortest window in half an hour

  // What happened in one half hour.
  struct Slot {
    std::uint64_t count = 0;
    std::array<std::uint32_t, kFine> fine{};
    std::map<std::string, std::uint64_t> names, workers;
  };
  struct Group {
    std::string type, message, sample_message;
    TaskId sample_task;
    std::int64_t first_seen = 0, last_seen = 0;
    std::map<std::int64_t, Slot> slots;  // by the half hour's beginning; a week of them
  };
  [[nodiscard]] Group* group_of(const std::string& fingerprint, std::int64_t second);
  [[nodiscard]] ErrorGroup view(const std::string& fingerprint, const Group& group,
                                const ErrorWindow& window, std::int64_t now) const;
  [[nodiscard]] std::string data_of(std::int64_t half_hour) const;

  std::map<std::string, Group> groups_;
  std::set<std::int64_t> changed_;  // half hours
  std::uint64_t folded_ = 0;
};

}  // namespace umbel::collector
