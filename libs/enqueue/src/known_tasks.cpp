#include "known_tasks.hpp"

#include <utility>

namespace umbel::enqueue {

Result<KnownTasks::Entry> KnownTasks::find(const std::string& name) {
  const auto now = clock_.steady();
  {
    const std::lock_guard lock{mutex_};
    const auto known = kept_.find(name);
    if (known != kept_.end() && now - known->second.read < kKeep) return known->second.entry;
  }
  auto found = catalogue_.find(name);
  if (!found && found.error().code != Errc::NotFound) return found.error();
  auto entry = std::make_shared<const std::optional<CatalogueEntry>>(
      found ? std::optional{std::move(*found)} : std::nullopt);
  const std::lock_guard lock{mutex_};
  if (kept_.size() >= kMost) kept_.clear();
  kept_.insert_or_assign(name, Kept{entry, now});
  return entry;
}

}  // namespace umbel::enqueue
