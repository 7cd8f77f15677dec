#include "answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "umbel/base/text.hpp"

namespace umbel::http {
namespace {

struct Reason {
  int status;
  std::string_view text;
};

constexpr std::array kReasons{Reason{100, "Continue"},
                              Reason{200, "OK"},
                              Reason{201, "Created"},
                              Reason{202, "Accepted"},
                              Reason{204, "No Content"},
                              Reason{304, "Not Modified"},
                              Reason{400, "Bad Request"},
                              Reason{401, "Unauthorized"},
                              Reason{403, "Forbidden"},
                              Reason{404, "Not Found"},
                              Reason{405, "Method Not Allowed"},
                              Reason{408, "Request Timeout"},
                              Reason{409, "Conflict"},
                              Reason{410, "Gone"},
                              Reason{413, "Content Too Large"},
                              Reason{414, "URI Too Long"},
                              Reason{415, "Unsupported Media Type"},
                              Reason{417, "Expectation Failed"},
                              Reason{422, "Unprocessable Content"},
                              Reason{426, "Upgrade Required"},
                              Reason{429, "Too Many Requests"},
                              Reason{431, "Request Header Fields Too Large"},
                              Reason{500, "Internal Server Error"},
                              Reason{501, "Not Implemented"},
                              Reason{503, "Service Unavailable"},
                              Reason{504, "Gateway Timeout"},
                              Reason{505, "HTTP Version Not Supported"}};

constexpr std::array<std::string_view, 8> kMethods{"GET",    "HEAD",    "POST",  "PUT",
                                                   "DELETE", "OPTIONS", "PATCH", "CONNECT"};

std::string_view reason_of(int status) {
  const auto* const found = std::find_if(kReasons.begin(), kReasons.end(),
                                         [&](const Reason& each) { return each.status == status; });
  return found == kReasons.end() ? "Unknown" : found->text;
}

bool has_header(const Response& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& header) { return lower(header.first) == lower(name); });
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

// Neither a line break nor another control character may end a header early.
std::string header_value(std::string_view value) {
  std::string clean{value};
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, ' ');
  return clean;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string head_of(const Response& response, bool keep_alive) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(header_value(value)).append("\r\n");
  };
  const auto add_default = [&](std::string_view name, std::string_view value) {
    if (!has_header(response, name)) add(name, value);
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(name, value);
  if (response.status != 304 && response.status != 204) {
    add_default("Content-Length", std::to_string(response.body.size()));
  }
  add_default("Cache-Control", "no-store");
  add_default("Vary", "Accept");
  add_default("X-Content-Type-Options", "nosniff");
  add_default("X-Frame-Options", "DENY");
  add_default("Referrer-Policy", "no-referrer");
  add_default("Cross-Origin-Resource-Policy", "same-origin");
  add("Connection", keep_alive ? "keep-alive" : "close");
  return head + "\r\n";
}

void leave_out_body(Response& response) {
  if (!has_header(response, "Content-Length")) {
    response.headers.emplace_back("Content-Length", std::to_string(response.body.size()));
  }
  response.body.clear();
}

Response unavailable_response(std::string_view message) {
  Response response = error_response(503, message);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response refusal_of(int status, std::string_view method, bool late) {
  switch (status) {
    case 400:
      if (is_word(method) &&
          std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
        return error_response(
            501, fmt::format("the method {} is not known here", shortened(method, 40)));
      }
      if (method.empty() && late) {
        return error_response(408, "the request's head did not arrive in time");
      }
      return error_response(400,
                            "the request is malformed, has a control character in its head, or a "
                            "head of more than 16,384 bytes");
    case 404:
      return error_response(404, "there is no WebSocket at this path");
    case 411:
      return error_response(400, "Content-Length must be a number of bytes");
    case 413:
      return error_response(431, "the request's head has more than 16,384 bytes");
    case 426: {
      Response response = error_response(426, "WebSockets are spoken here in version 13");
      response.headers.emplace_back("Sec-WebSocket-Version", "13");
      return response;
    }
    case 505:
      return error_response(505, "HTTP 1.0 and 1.1 are spoken here");
    default:
      return error_response(status, "the request could not be served");
  }
}

}  // namespace umbel::http
