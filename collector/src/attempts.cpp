#include "attempts.hpp"

namespace umbel::collector {
namespace {

std::optional<AttemptOutcome> end_from(const std::string& type) {
  if (type == "succeeded") return AttemptOutcome::Succeeded;
  if (type == "failed") return AttemptOutcome::Failed;
  if (type == "retried") return AttemptOutcome::Retried;
  if (type == "revoked") return AttemptOutcome::Revoked;
  if (type == "rejected") return AttemptOutcome::Rejected;
  return std::nullopt;
}

std::optional<AttemptOutcome> end_of(const Task& task) {
  switch (task.state) {
    case TaskState::Success:
      return AttemptOutcome::Succeeded;
    case TaskState::Failure:
      return AttemptOutcome::Failed;
    case TaskState::Retry:
      return AttemptOutcome::Retried;
    case TaskState::Revoked:
      return AttemptOutcome::Revoked;
    case TaskState::Rejected:
      return AttemptOutcome::Rejected;
    default:
      return std::nullopt;
  }
}

class Attempts {
 public:
  void received(const Moment& moment) {
    begin_the_next();
    if (open() && all_.back().started) {
      next_ = moment;
      return;
    }
    if (open()) broken_off();
    begin(moment);
  }

  void started(const Moment& moment) {
    begin_the_next();
    if (open() && all_.back().started) broken_off();
    if (open() && all_.back().worker != moment.worker) broken_off();
    if (!open()) all_.push_back({.worker = moment.worker});
    all_.back().started = moment.at;
    all_.back().outcome = AttemptOutcome::Running;
  }

  void ended(const Moment& moment, AttemptOutcome outcome) {
    if (outcome != AttemptOutcome::Retried) begin_the_next();
    if (!open()) {
      // Told twice, or by somebody who was frozen: nothing began since the last end.
      if (!all_.empty()) return;
      all_.push_back({.worker = moment.worker});
    }
    Attempt& last = all_.back();
    // A revoked task may be dropped by another worker than the one that was named last.
    if (!moment.worker.empty()) last.worker = moment.worker;
    last.ended = moment.at;
    last.outcome = outcome;
    last.detail = moment.detail;
    begin_the_next();
  }

  // Where events were missed, the task knows.
  void complete(const Task& task) {
    begin_the_next();
    const auto outcome = end_of(task);
    if (all_.empty()) {
      if (!task.received && !task.started && !outcome) return;
      all_.push_back({.worker = task.worker.value_or(""), .received = task.received});
    }
    if (!open()) return;
    Attempt& last = all_.back();
    if (!last.started && task.started && (!last.received || *task.started >= *last.received)) {
      last.started = task.started;
      last.outcome = AttemptOutcome::Running;
    }
    if (!outcome) return;
    const bool of_the_one_before = outcome == AttemptOutcome::Retried && all_.size() > 1 &&
                                   all_[all_.size() - 2].ended == task.retried;
    if (of_the_one_before) return;
    last.outcome = *outcome;
    last.ended = ended_at(task);
    last.detail = task.exception.value_or("");
  }

  std::vector<Attempt> take() { return std::move(all_); }

 private:
  void begin(const Moment& moment) {
    all_.push_back({.worker = moment.worker, .received = moment.at});
  }
  // The open attempt had no word of its end before the next began.
  void begin_the_next() {
    if (!next_) return;
    if (open()) broken_off();
    begin(*next_);
    next_.reset();
  }
  [[nodiscard]] bool open() const { return !all_.empty() && !closed(all_.back()); }
  static bool closed(const Attempt& attempt) {
    return attempt.outcome != AttemptOutcome::Waiting && attempt.outcome != AttemptOutcome::Running;
  }
  void broken_off() {
    Attempt& last = all_.back();
    last.outcome = last.started ? AttemptOutcome::Lost : AttemptOutcome::HandedBack;
    if (last.started) last.detail = last.worker + " did not tell how it ended";
  }

  std::vector<Attempt> all_;
  // Taken anew while an attempt runs. Celery sends a retry off, and may take it again, before it
  // tells that the attempt is over.
  std::optional<Moment> next_;
};

}  // namespace

const char* to_text(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::Waiting:
      return "waiting";
    case AttemptOutcome::Running:
      return "running";
    case AttemptOutcome::Succeeded:
      return "succeeded";
    case AttemptOutcome::Failed:
      return "failed";
    case AttemptOutcome::Retried:
      return "retried";
    case AttemptOutcome::Revoked:
      return "revoked";
    case AttemptOutcome::Rejected:
      return "rejected";
    case AttemptOutcome::Lost:
      return "lost";
    case AttemptOutcome::HandedBack:
      break;
  }
  return "handed back";
}

std::optional<WallTime> ended_at(const Task& task) {
  switch (task.state) {
    case TaskState::Success:
      return task.succeeded;
    case TaskState::Failure:
      return task.failed;
    case TaskState::Retry:
      return task.retried;
    case TaskState::Revoked:
      return task.revoked;
    case TaskState::Rejected:
      return task.rejected;
    default:
      return std::nullopt;
  }
}

std::optional<WallTime> finished_at(const Task& task) {
  return task.state == TaskState::Retry ? std::nullopt : ended_at(task);
}

std::vector<Attempt> attempts_of(std::span<const Moment> moments, const Task& task) {
  Attempts attempts;
  for (const Moment& moment : moments) {
    if (moment.type == "received") {
      attempts.received(moment);
    } else if (moment.type == "started") {
      attempts.started(moment);
    } else if (const auto outcome = end_from(moment.type)) {
      attempts.ended(moment, *outcome);
    }
  }
  attempts.complete(task);
  return attempts.take();
}

}  // namespace umbel::collector
