// Callers' results in a Redis database, with the keys, channels, times to live and chord books of
// Celery's own backend (backends/redis.py of 5.2.6): Python's AsyncResult, GroupResult and chords
// find here what they look for, and Umbel's part of a chord counts like any other.
//
// One connection, made at the first call; a server that is not there yet is no error before that.
#pragma once

#include <memory>

#include "umbel/results/caller_results.hpp"
#include "umbel/results_redis/redis_url.hpp"

namespace umbel {

[[nodiscard]] std::unique_ptr<CallerResults> make_redis_results(RedisOptions options);

}  // namespace umbel
