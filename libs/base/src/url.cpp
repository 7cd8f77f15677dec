#include "umbel/base/url.hpp"

#include <charconv>
#include <functional>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

constexpr std::size_t kShown = 50;

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Error undecodable(const char* what) {
  return invalid(std::string{what} + " has a `%` that is no escape, or a zero byte");
}

}  // namespace

std::optional<std::string> unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t least,
                                         std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

std::string_view split_off(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return {};
  const auto rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

Result<UrlAuthority> parse_authority(std::string_view text) {
  const bool has_login = text.find('@') != std::string_view::npos;
  UrlAuthority authority;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    auto user = text.substr(0, at);
    text = text.substr(at + 1);
    const auto password = split_off(user, ':');
    const auto read_user = unquoted(user);
    if (!read_user) return undecodable("the user");
    const auto read_password = unquoted(password);
    if (!read_password) return undecodable("the password");
    authority.user = *read_user;
    authority.password = *read_password;
  }
  std::string_view port;
  if (text.starts_with('[')) {  // an IPv6 address
    const auto close = text.find(']');
    if (close == std::string_view::npos) return invalid("the address has a `[` without a `]`");
    port = text.substr(close + 1);
    text = text.substr(1, close - 1);
    if (!port.empty() && !port.starts_with(':')) {
      return invalid("behind `]` only `:port` may stand");
    }
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    port = text.substr(colon + 1);
    text = text.substr(0, colon);
    if (text.find(':') != std::string_view::npos) {
      return invalid("an IPv6 address stands in brackets, as in [::1]:1234");
    }
  }
  const auto host = unquoted(text);
  if (!host) return undecodable("the host");
  authority.host = *host;
  if (port.empty()) return authority;
  const auto number = whole_number(port, 1, 65'535);
  if (!number) {
    // Without a login before it, this may be one: the host was forgotten, or the password has a
    // `/`.
    return invalid("the port" + (has_login ? " `" + shortened(port, kShown) + "`" : "") +
                   " is not a number from 1 to 65535 (a `/`, `?`, `#`, `@` or `;` of a password is "
                   "written as %2F, %3F, %23, %40 or %3B)");
  }
  authority.port = static_cast<std::uint16_t>(*number);
  return authority;
}

std::string shown_part(std::string_view part, std::string_view url) {
  const auto at = url.rfind('@');
  const std::less<> before;
  if (at != std::string_view::npos && !before(url.data() + at, part.data())) return "";
  return " `" + shortened(part, kShown) + "`";
}

}  // namespace umbel
