// Which tasks exist: written by workers as they start, read by whoever accepts tasks, to know the
// queue and to check the arguments.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"

namespace umbel {

struct TaskParameter {
  std::string name;
  std::string
      type;  // "integer", "number", "string", "boolean", "array", "object" or "any", as in JSON
  bool required = true;
  std::string default_value;  // JSON text; only when not required

  friend bool operator==(const TaskParameter&, const TaskParameter&) = default;
};

struct CatalogueEntry {
  std::string name;
  QueueName queue;
  std::vector<TaskParameter> parameters;
  int max_retries = 0;
  std::optional<double> soft_time_limit;  // seconds
  bool ignore_result = false;
  std::string description;

  friend bool operator==(const CatalogueEntry&, const CatalogueEntry&) = default;
};

// Thread-safe.
class TaskCatalogue {
 public:
  virtual ~TaskCatalogue() = default;
  [[nodiscard]] virtual Result<void> upsert(std::span<const CatalogueEntry> entries,
                                            WallTime now) = 0;
  [[nodiscard]] virtual Result<CatalogueEntry> find(const std::string& name) = 0;  // NotFound
  [[nodiscard]] virtual Result<std::vector<CatalogueEntry>> all() = 0;             // by name
};

}  // namespace umbel
