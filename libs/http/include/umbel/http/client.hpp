// The HTTP client: libcurl behind our words. Every request has a deadline and a bound on its body.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string basic_auth;  // `user:password`; empty: none
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds timeout{30'000};
  std::size_t max_body = 16 * 1024 * 1024;  // bytes after decompression
  std::size_t max_headers = 64 * 1024;      // bytes of the answer's headers
  std::stop_token stop;  // requested: the call ends with Cancelled within half a second
};

struct ClientTimes {  // seconds from the start of the request; what libcurl measured
  // Each is the end of its phase, none is before the one to its left; `tls` is `connect` without
  // TLS, and on a connection that was kept all three are about 0. `sent`: the request has left.
  double name_lookup = 0, connect = 0, tls = 0, sent = 0, first_byte = 0, total = 0;
};

struct ClientResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  ClientTimes times;
};

// Keeps connections open between calls. One call at a time per client: give each thread its own.
class Client {
 public:
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any status is a response. Errors: TimedOut, Unavailable (no connection, cut off), Invalid (URL,
  // headers or body over their bounds, an encoding that cannot be unpacked), Cancelled. Redirects
  // are not followed.
  [[nodiscard]] Result<ClientResponse> send(const ClientRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::http
