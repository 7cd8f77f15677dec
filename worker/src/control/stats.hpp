// The documents of inspection that are more than a line: statistics, a queue, a broker. Pure.
#pragma once

#include <sys/resource.h>

#include <boost/json.hpp>
#include <string>

#include "controlled.hpp"

namespace umbel {

[[nodiscard]] boost::json::object stats_document(const WorkerFacts& facts, std::int64_t pid,
                                                 std::int64_t clock, const rusage& used);

// A queue as Celery declares it: if nothing else was asked for, with a direct exchange and a
// routing key of its own name.
[[nodiscard]] boost::json::object queue_document(const ConsumedQueue& queue);

// A broker's URL as Celery's connection describes itself; the password is left out.
[[nodiscard]] boost::json::object broker_document(const std::string& url);

}  // namespace umbel
