#include "phases.hpp"

#include <string>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::reddit {

boost::json::object Phases::json() const {
  boost::json::object all;
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) all[kPhaseNames.at(i)] = seconds_.at(i);
  return all;
}

void Phases::observe(metrics::Metrics& metrics, std::string_view source) const {
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
    metrics
        .histogram(metrics::kRedditPhaseSeconds,
                   {std::string{source}, std::string{kPhaseNames.at(i)}})
        .Observe(seconds_.at(i));
  }
}

}  // namespace umbel::reddit
