// The parts of a URL that all engines read alike, as Celery (kombu) reads them. Pure.
//
// A password with a `/`, `?`, `#` or `;` of its own that is not written as %2F… falls apart into
// pieces that look like a port or an option. So whoever refuses a part of a URL may only repeat it
// where it cannot be such a piece.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel {

// `%2F` undone. Nothing: a `%` without two hexadecimal digits behind it, or a zero byte, which
// would end the text for whoever it is given to.
[[nodiscard]] std::optional<std::string> unquoted(std::string_view text);

// The whole of `text` as a number from `least` to `most`.
[[nodiscard]] std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t least,
                                                       std::int64_t most);

// Cuts `text` at the first `mark`; answers what stands behind it.
std::string_view split_off(std::string_view& text, char mark);

struct UrlAuthority {
  std::string user, password, host;  // empty: not said
  std::optional<std::uint16_t> port;
};

// `user:password@host:port`; an IPv6 address stands in brackets. Invalid says which part is wrong;
// neither user nor password are in it.
[[nodiscard]] Result<UrlAuthority> parse_authority(std::string_view text);

// ` `part`` of `url`, for an error; nothing if an `@` stands behind it: then it may belong to a
// password.
[[nodiscard]] std::string shown_part(std::string_view part, std::string_view url);

}  // namespace umbel
