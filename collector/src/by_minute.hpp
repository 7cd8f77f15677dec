// The last hour in minutes, each a plain value.
#pragma once

#include <array>
#include <cstdint>

namespace umbel::collector {

template <class Value>
class ByMinute {
 public:
  static constexpr std::int64_t kMinutes = 60;

  [[nodiscard]] static std::int64_t minute_of(std::int64_t t) { return t - (t % 60 + 60) % 60; }

  // The minute of `t` (Unix seconds), empty if it is new.
  Value& at(std::int64_t t) {
    const std::int64_t begin = minute_of(t);
    Slot& slot = slots_[static_cast<std::size_t>(begin / 60) % slots_.size()];
    if (slot.begin != begin) slot = {.begin = begin, .value = {}};
    return slot.value;
  }
  // Nothing: not measured, or too long ago.
  [[nodiscard]] const Value* find(std::int64_t t) const {
    const std::int64_t begin = minute_of(t);
    const Slot& slot = slots_[static_cast<std::size_t>(begin / 60) % slots_.size()];
    return slot.begin == begin ? &slot.value : nullptr;
  }
  // `visit(begin, const Value*)` for the hour up to the minute of `now`, oldest first.
  template <class Visit>
  void each(std::int64_t now, Visit visit) const {
    const std::int64_t last = minute_of(now);
    for (std::int64_t t = last - (kMinutes - 1) * 60; t <= last; t += 60) visit(t, find(t));
  }

 private:
  struct Slot {
    std::int64_t begin = -1;
    Value value{};
  };
  std::array<Slot, static_cast<std::size_t>(kMinutes)> slots_{};
};

}  // namespace umbel::collector
