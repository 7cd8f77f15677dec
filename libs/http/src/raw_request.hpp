// What a client sent as the head of a request, and whether it may be believed. Pure.
//
// CivetWeb is lenient where two readers of one request could understand it differently: repeated
// lengths, a length beside chunks, a length with something behind its digits. All of that is
// refused here, before anybody acts on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "umbel/http/message.hpp"

namespace umbel::http {

struct RawRequest {
  std::string method;
  std::string target;     // the path as sent, percent-encoded, without the query
  std::string authority;  // of a target in absolute form, `localhost:5555`; empty: none
  std::string query;
  std::string version;  // `1.1`
  std::vector<std::pair<std::string, std::string>> headers;
  std::string remote_address;
};

inline constexpr std::size_t kMostHeaders = 63;
inline constexpr std::size_t kLongestTarget = 4096, kLongestQuery = 8192;  // bytes

// An answer: what is wrong with it. Nothing: it is unambiguous, and its decoded path and arguments
// are UTF-8 without a NUL.
[[nodiscard]] std::optional<Response> refuse_malformed(const RawRequest& raw);
[[nodiscard]] Request to_request(const RawRequest& raw);

}  // namespace umbel::http
