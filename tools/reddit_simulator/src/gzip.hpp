// Compressed answers, of honest and of dishonest size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace umbel::reddit_simulator {

[[nodiscard]] std::string gzipped(std::string_view text);
// Unpacks to `size` spaces.
[[nodiscard]] std::string gzip_bomb(std::size_t size);

}  // namespace umbel::reddit_simulator
