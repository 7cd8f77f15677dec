// A schedule as a person says it: `every 30 seconds`, `at 06:00 on weekdays`. Pure.
//
// Where the fields make no plain sentence they are said one by one; what is said is never less or
// more than when the schedule fires on its zone's clock. Changes of clocks are left out (cron.hpp).
#pragma once

#include <string>

#include "umbel/model/cron.hpp"

namespace umbel {

[[nodiscard]] std::string words(const Schedule& schedule);

}  // namespace umbel
