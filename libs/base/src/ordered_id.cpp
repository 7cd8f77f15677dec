#include "umbel/base/ordered_id.hpp"

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <cstdint>

namespace umbel {

TaskId ordered_task_id(WallTime now) {
  thread_local boost::uuids::random_generator generate;
  auto id = generate();
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(to_micros(now), 0));
  const std::uint64_t milliseconds = micros / 1000;
  const std::uint64_t fraction = micros % 1000 * 4096 / 1000;
  for (std::size_t i = 0; i < 6; ++i) {
    id.data[i] = static_cast<std::uint8_t>(milliseconds >> (8 * (5 - i)));
  }
  id.data[6] = static_cast<std::uint8_t>(0x70U | fraction >> 8U);
  id.data[7] = static_cast<std::uint8_t>(fraction);
  return TaskId{boost::uuids::to_string(id)};  // the variant's two bits stand already
}

}  // namespace umbel
