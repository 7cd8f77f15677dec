// `redis://:password@host:port/db?options` as Celery writes it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel {

struct RedisOptions {
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string path{};  // of a Unix socket; then host and port mean nothing
  std::string user{}, password{};
  std::int64_t database = 0;
  // Precedes every key and channel. `_` is appended unless it ends in one of `:_-.`.
  std::string prefix{};
  std::chrono::seconds expires{86'400};  // of what is kept; 0: never
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds timeout{5000};  // of each round trip

  // For logs and errors: without the password.
  [[nodiscard]] std::string shown() const;
};

// Options in the query: global_keyprefix, result_expires (seconds), socket_connect_timeout,
// socket_timeout (seconds, up to 60); `redis+socket:///path?virtual_host=db&password=…` for a Unix
// socket. Invalid names what is wrong and what is allowed, never the password; rediss:// is
// refused, because hiredis 0.14 has no TLS.
[[nodiscard]] Result<RedisOptions> parse_redis_url(std::string_view url);

// Whether the URL is meant for this engine.
[[nodiscard]] bool is_redis_url(std::string_view url);

}  // namespace umbel
