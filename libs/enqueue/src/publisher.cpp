#include "publisher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace umbel::enqueue {

Publisher::Publisher(Publish publish, Bounds bounds)
    : publish_{std::move(publish)}, bounds_{bounds}, thread_{[this](const std::stop_token& stop) {
        run(stop);
      }} {}

void Publisher::take(std::vector<OutboxRow> rows) {
  if (rows.empty()) return;
  std::unique_lock lock{mutex_};
  const auto has_room = [this] { return waiting_.size() < bounds_.most_rows; };
  if (!has_room()) {
    if (stalled_) return;
    if (!changed_.wait_for(lock, bounds_.for_room, has_room)) {
      stalled_ = true;
      return;
    }
  }
  std::move(rows.begin(), rows.end(), std::back_inserter(waiting_));
  lock.unlock();
  changed_.notify_all();
}

void Publisher::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  for (;;) {
    if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
    const auto size = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), bounds_.most_together));
    const std::vector<OutboxRow> rows{std::make_move_iterator(waiting_.begin()),
                                      std::make_move_iterator(waiting_.begin() + size)};
    waiting_.erase(waiting_.begin(), waiting_.begin() + size);
    lock.unlock();
    publish_(rows);
    lock.lock();
    stalled_ = false;
    changed_.notify_all();  // there is room
  }
}

}  // namespace umbel::enqueue
