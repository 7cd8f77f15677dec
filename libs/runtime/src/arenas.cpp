#include "umbel/runtime/arenas.hpp"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace umbel {

void one_arena_per_core() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
}

}  // namespace umbel
