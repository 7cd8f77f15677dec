#include "umbel/runtime/allocator.hpp"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace umbel {

namespace {
constexpr int kLarge = 1024 * 1024;  // bytes; mallopt(3): setting it stops its growing
}

void bound_allocator() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
  mallopt(M_MMAP_THRESHOLD, kLarge);
  mallopt(M_TRIM_THRESHOLD, kLarge);
}

}  // namespace umbel
