// Who changed what, and when: every action that somebody takes on tasks or schedules leaves a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

struct AuditEntry {
  std::uint64_t id = 0;  // rising; given by the log
  WallTime at{};
  std::string who;      // the address it came from
  std::string action;   // `task.retry`, `task.revoke`, `schedule.run`, `schedule.pause`, …
  std::string object;   // a task's id, a schedule's name
  std::string detail;   // what belongs to it: a reason, the id of a new task
  std::string outcome;  // `done`, or why it was refused

  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

// Thread-safe.
class AuditLog {
 public:
  static constexpr std::uint64_t kKept = 100'000;  // entries; older ones go

  virtual ~AuditLog() = default;
  // In one transaction; their `id` is not looked at.
  [[nodiscard]] virtual Result<void> add(const std::vector<AuditEntry>& entries) = 0;
  // Newest first; with `before`, only those with a smaller id. An `object`, if not empty, has to be
  // theirs.
  [[nodiscard]] virtual Result<std::vector<AuditEntry>> latest(std::size_t limit,
                                                               std::uint64_t before = 0,
                                                               const std::string& object = {}) = 0;
};

}  // namespace umbel
