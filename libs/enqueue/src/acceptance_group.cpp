#include "acceptance_group.hpp"

#include <algorithm>
#include <utility>

namespace umbel::enqueue {

AcceptanceGroup::AcceptanceGroup(std::size_t most_at_once, AcceptAll accept_all)
    : most_at_once_{most_at_once}, accept_all_{std::move(accept_all)} {}

void AcceptanceGroup::join(Joined& mine) {
  const auto place = std::make_shared<Place>();
  place->joined = &mine;
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(place);
    if (!std::exchange(led_, true)) place->turn = Turn::Leads;
  }
  if (place->await() == Turn::Leads) lead(*place);
}

void AcceptanceGroup::lead(const Place& self) {
  std::vector<std::shared_ptr<Place>> taken;
  {
    const std::lock_guard lock{mutex_};
    const auto size = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), most_at_once_));
    // The first is who leads: it has waited longest.
    taken.assign(waiting_.begin(), waiting_.begin() + size);
    waiting_.erase(waiting_.begin(), waiting_.begin() + size);
  }
  std::vector<Joined*> joined;
  joined.reserve(taken.size());
  for (const auto& each : taken) joined.push_back(each->joined);
  accept_all_(joined);
  std::shared_ptr<Place> next;
  {
    const std::lock_guard lock{mutex_};
    if (waiting_.empty()) {
      led_ = false;
    } else {
      next = waiting_.front();
    }
  }
  if (next != nullptr) next->tell(Turn::Leads);  // first, so that the store does not idle
  for (const auto& each : taken) {
    if (each.get() != &self) each->tell(Turn::Done);
  }
}

AcceptanceGroup::Turn AcceptanceGroup::Place::await() {
  turn.wait(Turn::Waits);
  return turn;
}

void AcceptanceGroup::Place::tell(Turn what) {
  turn = what;
  turn.notify_one();
}

}  // namespace umbel::enqueue
