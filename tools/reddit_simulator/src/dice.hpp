// Chance that can be repeated: every number is a function of the seed, of what it is drawn for, and
// of how many were drawn before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace umbel::reddit_simulator {

class Dice {
 public:
  // `purpose` keeps independent what is drawn for the same submission.
  Dice(std::uint64_t seed, std::uint64_t number, std::uint64_t purpose)
      : state_{mixed(mixed(mixed(seed) ^ number) ^ purpose)} {}

  std::uint64_t next() { return mixed(state_ += 0x9E3779B97F4A7C15ULL); }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }      // limit > 0
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  bool chance(double probability) { return unit() < probability; }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[static_cast<std::size_t>(below(N))];
  }

 private:
  static std::uint64_t mixed(std::uint64_t x) {  // the finaliser of SplitMix64
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  std::uint64_t state_;
};

}  // namespace umbel::reddit_simulator
