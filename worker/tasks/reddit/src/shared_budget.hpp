// The rate budget that all workers of one store hold in common.
#pragma once

#include <string>

#include "rate_budget.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/store/leases.hpp"

namespace umbel::reddit {

// Thread-safe, and so are several of them, in several processes, over one store.
class SharedBudget {
 public:
  // `key`: of the shared value, one for each budget that Reddit keeps. `shared` outlives it.
  SharedBudget(SharedValues& shared, std::string key) : shared_{shared}, key_{std::move(key)} {}

  // An error: the store cannot be reached, so nothing may be sent.
  [[nodiscard]] Result<RateGrant> reserve(const Clock& clock);
  // Answers what is left, if that is known. What cannot be written here counts as under way until
  // the window after the next.
  std::optional<std::int64_t> finish(const RateGrant& grant, const RateAnswer& answer);

 private:
  template <class Change>
  [[nodiscard]] Result<void> change(WallTime now, const Change& apply);
  SharedValues& shared_;
  std::string key_;
};

}  // namespace umbel::reddit
