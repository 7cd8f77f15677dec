#include "umbel/scheduler/schedule_source.hpp"

namespace umbel {

std::optional<Result<std::vector<ScheduleEntry>>> ScheduleSource::look(WallTime now, Ask ask) {
  auto read = read_schedule_file(file_);
  Content content{read.has_value(), read ? std::move(*read) : read.error().what};
  if (ask == Ask::IfChanged) {
    if (content == answered_) {
      seen_.reset();
      return std::nullopt;
    }
    if (content != seen_) {
      seen_ = std::move(content);
      return std::nullopt;
    }
  }
  seen_.reset();
  answered_ = std::move(content);
  if (!answered_->first) return not_found(answered_->second);
  auto entries = parse_schedule(answered_->second, file_.string());
  if (entries) read_at_ = now;
  return entries;
}

}  // namespace umbel
