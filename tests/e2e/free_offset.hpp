// A --port-offset at which every port of a stack is free now.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "umbel/cli/ports.hpp"
#include "umbel/cli/stack.hpp"

namespace umbel::e2e {

inline int free_offset() {
  for (int offset = 10'000 + static_cast<int>(getpid() % 1000) * 7; offset < 50'000; offset += 97) {
    StackOptions options;
    options.port_offset = offset;
    options.prometheus = "prometheus";
    options.grafana = "grafana";
    const auto plans = plan_stack(options);
    if (std::all_of(plans.begin(), plans.end(),
                    [](const ProgramPlan& plan) { return port_is_free(plan.port); })) {
      return offset;
    }
  }
  throw std::runtime_error{"no free ports"};
}

}  // namespace umbel::e2e
