#include "umbel/results_redis/redis_url.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/base/url.hpp"

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

std::optional<double> decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Reader {
 public:
  explicit Reader(bool socket) : socket_{socket} {}

  std::optional<std::string> authority(std::string_view text) {
    auto read = parse_authority(text);
    if (!read) return read.error().what;
    options.user = std::move(read->user);
    options.password = std::move(read->password);
    if (!read->host.empty()) options.host = std::move(read->host);
    options.port = read->port.value_or(options.port);
    return std::nullopt;
  }

  std::optional<std::string> database(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text.find('@') != std::string_view::npos) {
      return "an `@` stands behind the first `/`; in a password a `/` is written as %2F";
    }
    const auto number = whole_number(text, 0, kMostDatabase);
    if (!number) {
      return fmt::format("the database `{}` is not a number from 0", shortened(text, 50));
    }
    options.database = *number;
    return std::nullopt;
  }

  std::optional<std::string> query(std::string_view text) {
    const auto whole = text;
    while (!text.empty()) {
      std::string_view key = text;
      text = split_off(key, '&');
      const auto raw = split_off(key, '=');
      const auto shown = shown_part(key, whole);
      const auto value = unquoted(raw);
      if (!value) return "the option" + shown + " has a `%` that is no escape, or a zero byte";
      if (auto wrong = option(key, *value, shown)) return wrong;
    }
    return std::nullopt;
  }

  RedisOptions options;

 private:
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

  std::optional<std::string> option(std::string_view key, const std::string& value,
                                    const std::string& shown) {
    if (key == "global_keyprefix") {
      if (value.size() > kMostPrefix) return fmt::format("{} is longer than {}", key, kMostPrefix);
      options.prefix = value;
      if (!value.empty() && std::string_view{":_-."}.find(value.back()) == std::string_view::npos) {
        options.prefix += '_';
      }
      return std::nullopt;
    }
    if (key == "result_expires") {
      const auto seconds = whole_number(value, 0, kMostExpires);
      if (!seconds) {
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
    return "an option" + shown + " is not known";
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
    auto path = unquoted(rest);
    if (!path || !path->starts_with('/')) return refuse("the socket's path does not begin with /");
    reader.options.path = std::move(*path);
  } else {
    const auto database = split_off(rest, '/');
    if (auto wrong = reader.database(database)) return refuse(*wrong);
    if (auto wrong = reader.authority(rest)) return refuse(*wrong);
  }
  if (auto wrong = reader.query(query)) return refuse(*wrong);
  return std::move(reader.options);
}

}  // namespace umbel
