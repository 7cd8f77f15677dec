#include "umbel/results_redis/redis_url.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

constexpr std::string_view kScheme = "redis://", kSocketScheme = "redis+socket://",
                           kTlsScheme = "rediss://";
constexpr std::string_view kAllowed =
    "redis://[[user]:password@]host[:port][/db] or redis+socket:///path, with the options "
    "global_keyprefix, result_expires, socket_connect_timeout, socket_timeout (and virtual_host, "
    "password for a socket)";
constexpr double kMostTimeout = 60;  // seconds
constexpr std::int64_t kMostDatabase = 1'000'000;
constexpr std::int64_t kMostExpires = 10LL * 366 * 86'400;
constexpr std::size_t kMostPrefix = 200;

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// Splits off what follows the first `mark`, which goes.
std::string_view split_off(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return {};
  const auto rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

class Reader {
 public:
  explicit Reader(bool socket) : socket_{socket} {}

  std::optional<std::string> authority(std::string_view text) {
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
      std::string_view user = text.substr(0, at);
      text = text.substr(at + 1);
      const auto password = split_off(user, ':');
      if (auto wrong = decode(user, options.user, "the user")) return wrong;
      if (auto wrong = decode(password, options.password, "the password")) return wrong;
    }
    std::string_view port;
    if (text.starts_with('[')) {  // an IPv6 address
      const auto end = text.find(']');
      if (end == std::string_view::npos) return "the address is not closed by `]`";
      port = text.substr(end + 1);
      text = text.substr(1, end - 1);
      if (!port.empty() && !port.starts_with(':')) return "after `]` comes no `:`";
      if (!port.empty()) port.remove_prefix(1);
    } else {
      port = split_off(text, ':');
    }
    if (auto wrong = decode(text, options.host, "the host")) return wrong;
    if (options.host.empty()) options.host = "localhost";
    if (port.empty()) return std::nullopt;
    const auto number = whole(port);
    if (!number || *number < 1 || *number > 65'535) {
      return fmt::format("the port `{}` is not a number from 1 to 65535", shortened(port, 50));
    }
    options.port = static_cast<std::uint16_t>(*number);
    return std::nullopt;
  }

  std::optional<std::string> database(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const auto number = whole(text);
    if (!number || *number < 0 || *number > kMostDatabase) {
      return fmt::format("the database `{}` is not a number from 0", shortened(text, 50));
    }
    options.database = *number;
    return std::nullopt;
  }

  std::optional<std::string> query(std::string_view text) {
    while (!text.empty()) {
      std::string_view key = text;
      text = split_off(key, '&');
      const auto raw = split_off(key, '=');
      std::string value;
      if (auto wrong = decode(raw, value, key)) return wrong;
      if (auto wrong = option(key, value)) return wrong;
    }
    return std::nullopt;
  }

  RedisOptions options;

 private:
  static std::optional<std::string> decode(std::string_view text, std::string& to,
                                           std::string_view what) {
    auto decoded = percent_decoded(text);
    if (!decoded) return fmt::format("{} has a `%` that is no escape", shortened(what, 50));
    if (decoded->find('\0') != std::string::npos) {
      return fmt::format("{} holds a zero byte", shortened(what, 50));
    }
    to = std::move(*decoded);
    return std::nullopt;
  }

  static std::optional<std::string> timeout(std::string_view key, std::string_view value,
                                            std::chrono::milliseconds& to) {
    const auto seconds = decimal(value);
    if (!seconds || !(*seconds > 0) || *seconds > kMostTimeout) {
      return fmt::format("{}=`{}` is not a number of seconds, above 0 and at most {:g}", key,
                         shortened(value, 50), kMostTimeout);
    }
    to = std::chrono::milliseconds{std::max(1L, std::lround(*seconds * 1000))};
    return std::nullopt;
  }

  std::optional<std::string> option(std::string_view key, const std::string& value) {
    if (key == "global_keyprefix") {
      if (value.size() > kMostPrefix) return fmt::format("{} is longer than {}", key, kMostPrefix);
      options.prefix = value;
      if (!value.empty() && std::string_view{":_-."}.find(value.back()) == std::string_view::npos) {
        options.prefix += '_';
      }
      return std::nullopt;
    }
    if (key == "result_expires") {
      const auto seconds = whole(value);
      if (!seconds || *seconds < 0 || *seconds > kMostExpires) {
        return fmt::format("{}=`{}` is not a number of seconds from 0 (never) to {}", key,
                           shortened(value, 50), kMostExpires);
      }
      options.expires = std::chrono::seconds{*seconds};
      return std::nullopt;
    }
    if (key == "socket_timeout") return timeout(key, value, options.timeout);
    if (key == "socket_connect_timeout") return timeout(key, value, options.connect_timeout);
    if (socket_ && key == "virtual_host") return database(value);
    if (socket_ && key == "password") {
      options.password = value;
      return std::nullopt;
    }
    return fmt::format("`{}` is not an option", shortened(key, 50));
  }

  bool socket_;
};

}  // namespace

std::string RedisOptions::shown() const {
  const auto* at = password.empty() ? "" : ":**@";
  if (!path.empty()) return fmt::format("redis+socket://{}", path);
  return fmt::format("redis://{}{}{}:{}/{}", user, at, host, port, database);
}

bool is_redis_url(std::string_view url) {
  return url.starts_with(kScheme) || url.starts_with(kSocketScheme) || url.starts_with(kTlsScheme);
}

Result<RedisOptions> parse_redis_url(std::string_view url) {
  const auto refuse = [&](std::string_view why) {
    return invalid(fmt::format("result backend URL: {}; allowed is {}", why, kAllowed));
  };
  if (url.starts_with(kTlsScheme)) {
    return refuse("rediss:// needs TLS, which hiredis 0.14 does not have");
  }
  const bool socket = url.starts_with(kSocketScheme);
  if (!socket && !url.starts_with(kScheme)) return refuse("the scheme is not redis");
  std::string_view rest = url.substr(socket ? kSocketScheme.size() : kScheme.size());
  Reader reader{socket};
  const auto query = split_off(rest, '?');
  if (socket) {
    auto path = percent_decoded(rest);
    if (!path || !path->starts_with('/')) return refuse("the socket's path does not begin with /");
    reader.options.path = std::move(*path);
  } else {
    const auto database = split_off(rest, '/');
    if (auto wrong = reader.authority(rest)) return refuse(*wrong);
    if (auto wrong = reader.database(database)) return refuse(*wrong);
  }
  if (auto wrong = reader.query(query)) return refuse(*wrong);
  return std::move(reader.options);
}

}  // namespace umbel
