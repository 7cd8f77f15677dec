#include "acceptance_group.hpp"

#include <algorithm>
#include <utility>

namespace umbel::enqueue {

AcceptanceGroup::AcceptanceGroup(std::size_t most_at_once, AcceptAll accept_all)
    : most_at_once_{most_at_once}, accept_all_{std::move(accept_all)} {}

void AcceptanceGroup::join(Joined& mine) {
  Place place{&mine, false};
  std::unique_lock lock{mutex_};
  waiting_.push_back(&place);
  while (!place.done) {
    if (led_) {
      changed_.wait(lock);
      continue;
    }
    led_ = true;
    const auto size = std::min(waiting_.size(), most_at_once_);
    const std::vector<Place*> taken{waiting_.begin(),
                                    waiting_.begin() + static_cast<std::ptrdiff_t>(size)};
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(size));
    std::vector<Joined*> joined;
    joined.reserve(size);
    for (const Place* each : taken) joined.push_back(each->joined);
    lock.unlock();
    accept_all_(joined);
    lock.lock();
    for (Place* each : taken) each->done = true;
    led_ = false;
    changed_.notify_all();
  }
}

}  // namespace umbel::enqueue
