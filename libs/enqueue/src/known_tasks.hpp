// The task catalogue as acceptance needs it: entries by name, read from the store at most ten times
// a second each.
//
// Whoever posts thousands of tasks a second names a handful of them, and the catalogue changes when
// a worker starts. What a worker registers counts here at the latest kKeep later, and no caller can
// tell that from having asked that much earlier.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::enqueue {

// Thread-safe.
class KnownTasks {
 public:
  static constexpr auto kKeep = std::chrono::milliseconds{100};
  static constexpr std::size_t kMost = 1000;  // names; beyond that all are forgotten

  using Entry = std::shared_ptr<const std::optional<CatalogueEntry>>;

  // Both outlive this.
  KnownTasks(TaskCatalogue& catalogue, const Clock& clock) : catalogue_{catalogue}, clock_{clock} {}

  // Nothing in the entry: nobody has registered a task of this name. Errors are the store's.
  [[nodiscard]] Result<Entry> find(const std::string& name);

 private:
  struct Kept {
    Entry entry;
    Steady::time_point read;
  };
  TaskCatalogue& catalogue_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Kept> kept_;
};

}  // namespace umbel::enqueue
