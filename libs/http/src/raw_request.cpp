#include "raw_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "answer.hpp"
#include "frame_parser.hpp"

namespace umbel::http {
namespace {

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Every `%` begins two hexadecimal digits.
bool is_percent_encoded(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
    i += 2;
  }
  return true;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) == 127;
  });
}

std::vector<std::string_view> values_of(const RawRequest& raw, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : raw.headers) {
    if (lower(key) == name) values.push_back(value);
  }
  return values;
}

std::optional<Response> refuse_target(const RawRequest& raw) {
  if (raw.target.size() > kLongestTarget || raw.query.size() > kLongestQuery) {
    return error_response(414, fmt::format("the path may have {} bytes and the query {}",
                                           kLongestTarget, kLongestQuery));
  }
  if (!raw.target.starts_with('/')) {
    return error_response(400, "the request's target must be a path that begins with /");
  }
  if (!is_percent_encoded(raw.target)) {
    return error_response(
        400, "the path has a % that two hexadecimal digits do not follow; a % itself is %25");
  }
  const std::string path = percent_decoded(raw.target);
  if (has_control(path)) return error_response(400, "the path has a control character");
  if (!is_utf8(path)) return error_response(400, "the path is not UTF-8");
  const std::string query = percent_decoded(raw.query, true);
  if (query.find('\0') != std::string::npos) {
    return error_response(400, "the query has a NUL character");
  }
  if (!is_utf8(query)) return error_response(400, "the query is not UTF-8");
  return std::nullopt;
}

std::optional<Response> refuse_framing(const RawRequest& raw) {
  const auto lengths = values_of(raw, "content-length");
  const auto encodings = values_of(raw, "transfer-encoding");
  if (lengths.size() > 1 || encodings.size() > 1) {
    return error_response(400, "Content-Length and Transfer-Encoding may be given once");
  }
  if (!lengths.empty() && !encodings.empty()) {
    return error_response(400, "Content-Length and Transfer-Encoding exclude each other");
  }
  if (!lengths.empty() && (!is_digits(lengths.front()) || lengths.front().size() > 18)) {
    return error_response(400, "Content-Length must be a number of bytes");
  }
  if (!encodings.empty() && lower(encodings.front()) != "chunked") {
    return error_response(501, "the only Transfer-Encoding known here is chunked");
  }
  const auto expected = values_of(raw, "expect");
  if (!expected.empty() && lower(expected.front()) != "100-continue") {
    return error_response(417, "the only expectation that can be met here is 100-continue");
  }
  return std::nullopt;
}

std::optional<Response> refuse_host(const RawRequest& raw) {
  const auto hosts = values_of(raw, "host");
  if (hosts.size() > 1) return error_response(400, "the Host header may be given once");
  const bool none = hosts.empty() || hosts.front().empty();
  if (none && raw.version != "1.0") return error_response(400, "the Host header is missing");
  if (!none && !raw.authority.empty() && lower(raw.authority) != lower(hosts.front())) {
    return error_response(400, "the Host header and the request's target name different hosts");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Response> refuse_malformed(const RawRequest& raw) {
  if (raw.headers.size() > kMostHeaders) {
    return error_response(431, fmt::format("a request may have {} headers", kMostHeaders));
  }
  if (auto wrong = refuse_framing(raw)) return wrong;
  if (auto wrong = refuse_host(raw)) return wrong;
  return refuse_target(raw);
}

Request to_request(const RawRequest& raw) {
  Request request;
  request.method = raw.method;
  request.path = percent_decoded(raw.target);
  request.query = raw.query;
  request.remote_address = raw.remote_address;
  for (const auto& [name, text] : raw.headers) {
    std::string& value = request.headers[lower(name)];
    if (!value.empty()) value += ", ";
    value += text;
  }
  return request;
}

}  // namespace umbel::http
