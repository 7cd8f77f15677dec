// The schedule's file as something that changes: what to put in force, and when.
//
// It is read at each look, not only when a time stamp says so: renamed over by an editor, swapped
// as a symbolic link, written in place within one tick of the clock, deleted and back, it is the
// content that counts. A changed content is taken only when two looks in a row have seen it, since
// the first may have caught it half written.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/scheduler/schedule_file.hpp"

namespace umbel {

// Not thread-safe.
class ScheduleSource {
 public:
  explicit ScheduleSource(std::filesystem::path file) : file_{std::move(file)} {}
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

  enum class Ask { IfChanged, Now };
  // Nothing: as it was. Entries: put these in force. An error: the file has become unusable (as
  // parse_schedule and read_schedule_file have it); what was in force stays so. Each content is
  // answered once; with Ask::Now always, and without a second look.
  [[nodiscard]] std::optional<Result<std::vector<ScheduleEntry>>> look(WallTime now, Ask ask);

  // When the entries in force were read. The epoch: never.
  [[nodiscard]] WallTime read_at() const { return read_at_; }

 private:
  // The file's bytes, or why there are none: two different things, whatever they say.
  using Content = std::pair<bool, std::string>;
  std::filesystem::path file_;
  std::optional<Content> answered_, seen_;
  WallTime read_at_{};
};

}  // namespace umbel
