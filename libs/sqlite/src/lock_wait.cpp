#include "lock_wait.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <thread>

namespace umbel::sqlite {
namespace {

constexpr int kShortWaits = 20;
constexpr int kMiddleWaits = 40;
constexpr std::int64_t kShortWaitMicros = 100;
constexpr std::int64_t kMiddleWaitMicros = 500;
constexpr std::int64_t kLongWaitMicros = 2000;

// How long the first `tries` waits take together.
constexpr std::int64_t waited_micros(std::int64_t tries) {
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return std::clamp(tries, from, to) - from;
  };
  return part(0, kShortWaits) * kShortWaitMicros +
         part(kShortWaits, kMiddleWaits) * kMiddleWaitMicros +
         std::max<std::int64_t>(tries - kMiddleWaits, 0) * kLongWaitMicros;
}

// Called by SQLite when a lock is taken. The limit travels in the pointer itself: it is all the
// state there is, and so nothing has to outlive the connection.
int wait_for_lock(void* limit_micros, int tries) {
  const auto waited = waited_micros(tries);
  if (waited >= std::bit_cast<std::intptr_t>(limit_micros)) return 0;
  std::this_thread::sleep_for(std::chrono::microseconds{waited_micros(tries + 1) - waited});
  return 1;
}

}  // namespace

void wait_for_locks(SQLite::Database& connection, std::chrono::milliseconds limit) {
  const std::chrono::microseconds micros = limit;
  sqlite3_busy_handler(connection.getHandle(), wait_for_lock,
                       std::bit_cast<void*>(static_cast<std::intptr_t>(micros.count())));
}

}  // namespace umbel::sqlite
