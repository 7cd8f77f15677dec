// A task in this worker's hands, as inspection shows it (celery/worker/request.py: Request.info).
#pragma once

#include <sys/types.h>

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "job.hpp"

namespace umbel {

struct HeldTask {
  std::string id, name, type;  // the name it shows, and the task that it is
  boost::json::array args;
  boost::json::object kwargs;
  std::string argsrepr, kwargsrepr;
  std::string queue;
  std::int64_t priority = 0;
  bool redelivered = false;
  std::optional<WallTime> eta;      // of one that waits for it
  std::optional<WallTime> started;  // nothing: it waits
  std::optional<pid_t> process;     // that runs it
};

[[nodiscard]] HeldTask held_task(const Job& job);

// `safe`: arguments as the texts that monitors show.
[[nodiscard]] boost::json::object info_of(const HeldTask& task, const std::string& node,
                                          bool safe = false);
// As in the list of what is scheduled.
[[nodiscard]] boost::json::object schedule_of(const HeldTask& task, const std::string& node);

// The stamps that a task bears: key and values.
using Stamps = std::vector<std::pair<std::string, std::vector<std::string>>>;
[[nodiscard]] Stamps stamps_of(const celery::TaskMessage& task);

}  // namespace umbel
