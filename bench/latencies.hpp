// Samples of how long something took, and what is said of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace umbel::bench {

struct Latency {
  double p50 = 0, p99 = 0, p999 = 0, worst = 0;  // ms
};

// From when a task was due, and from when its producer came to it.
struct Latencies {
  Latency from_due, from_submit;
};

// `samples` in microseconds. Throws if there are none.
inline Latency latency_of(std::vector<std::int64_t> samples) {
  if (samples.empty()) throw std::runtime_error{"no task was measured"};
  std::ranges::sort(samples);
  const auto at = [&samples](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(samples.size()));
    return static_cast<double>(samples[std::min(index, samples.size() - 1)]) / 1000;
  };
  return {at(0.5), at(0.99), at(0.999), at(1)};
}

// Lines of "number, from due, from submit" in microseconds; the first `left_out` numbers do not
// count.
inline Latencies latencies_in(const std::string& path, std::size_t left_out) {
  std::vector<std::int64_t> from_due, from_submit;
  std::ifstream file{path};
  std::size_t number = 0;
  for (std::int64_t due = 0, submit = 0; file >> number >> due >> submit;) {
    if (number < left_out) continue;
    from_due.push_back(due);
    from_submit.push_back(submit);
  }
  return {latency_of(std::move(from_due)), latency_of(std::move(from_submit))};
}

}  // namespace umbel::bench
