// Ids and names are keys, of rows, labels and files: nothing that cuts them short or hides in a
// log.
#pragma once

#include <cstddef>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::celery {

inline constexpr std::size_t kMaxId = 255;     // it is also a short string of AMQP
inline constexpr std::size_t kMaxName = 1024;  // of a task or of who sent it, in bytes

// Errc::Invalid, beginning with `what`: empty, longer than `most` bytes, a control character, no
// UTF-8.
[[nodiscard]] Result<void> check_key(std::string_view what, std::string_view text,
                                     std::size_t most);

}  // namespace umbel::celery
