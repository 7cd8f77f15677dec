#include "revoked_set.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace umbel {

void RevokedSet::add(const std::string& id, Steady::time_point when) {
  if (id.empty() || id.size() > kLongestId) return;
  const auto now = clock_.steady();
  when = std::min(when, now);
  const std::lock_guard lock{mutex_};
  const auto [place, fresh] = when_.try_emplace(id, when);
  if (!fresh) {
    if (place->second >= when) return;
    oldest_.erase({place->second, id});
    place->second = when;
  }
  oldest_.emplace(when, id);
  forget_old(now);
  revision_.fetch_add(1);
}

bool RevokedSet::contains(const std::string& id) const {
  if (size_.load(std::memory_order_relaxed) == 0) return false;
  const auto now = clock_.steady();
  const std::shared_lock lock{mutex_};
  const auto found = when_.find(id);
  return found != when_.end() && found->second + kLongest > now;
}

std::vector<RevokedSet::Entry> RevokedSet::entries() {
  const std::lock_guard lock{mutex_};
  forget_old(clock_.steady());
  std::vector<Entry> all;
  all.reserve(oldest_.size());
  for (const auto& [when, id] : oldest_) all.push_back({id, when});
  return all;
}

void RevokedSet::forget_old(Steady::time_point now) {
  while (!oldest_.empty() && (oldest_.size() > kMost || oldest_.begin()->first + kLongest <= now)) {
    when_.erase(oldest_.begin()->second);
    oldest_.erase(oldest_.begin());
  }
  size_.store(oldest_.size());
}

double monotonic_seconds(Steady::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

Steady::time_point from_monotonic_seconds(double seconds) {
  constexpr double kMost = 1e9;  // some 30 years
  if (!std::isfinite(seconds)) return {};
  const std::chrono::duration<double> since{std::clamp(seconds, -kMost, kMost)};
  return Steady::time_point{std::chrono::duration_cast<Steady::duration>(since)};
}

bool RevokedStamps::add(const std::string& key, const std::vector<std::string>& values) {
  const std::lock_guard lock{mutex_};
  if (size_ + values.size() > kMost) return false;
  auto& known = values_[key];
  for (const auto& value : values) {
    if (known.insert(value).second) ++size_;
  }
  return true;
}

bool RevokedStamps::contains(const std::string& key, const std::string& value) const {
  if (empty()) return false;
  const std::shared_lock lock{mutex_};
  const auto found = values_.find(key);
  return found != values_.end() && found->second.contains(value);
}

}  // namespace umbel
