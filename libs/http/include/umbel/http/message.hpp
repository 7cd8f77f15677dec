// HTTP requests and responses in our own words; no library's type crosses this port.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace umbel::http {

struct Request {
  std::string method;  // upper case
  std::string path;    // percent-decoded, without the query; begins with `/`
  std::string query;   // as sent, without `?`
  std::string body;
  std::map<std::string, std::string> headers;     // names in lower case
  std::map<std::string, std::string> parameters;  // what the route's `<name>` parts matched
  std::string remote_address;

  // A query argument, percent-decoded; the last one of a repeated name wins.
  [[nodiscard]] std::optional<std::string> argument(std::string_view name) const;
  [[nodiscard]] std::string header(std::string_view lower_case_name) const;  // empty: not sent
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // Set: writes the whole answer itself, head included, and the connection is closed behind it;
  // nothing of the above is used but the status, for counting. Called from the server's thread,
  // which it holds; `write` answers false once the client is gone. For servers that imitate failing
  // ones.
  std::function<void(const std::function<bool(std::string_view)>& write)> raw{};
};

[[nodiscard]] Response json_response(std::string body, int status = 200);
// {"error": "…"} with the status; what every refused API call answers.
[[nodiscard]] Response error_response(int status, std::string_view message);

[[nodiscard]] std::string percent_decoded(std::string_view text, bool plus_is_space = false);
[[nodiscard]] std::string percent_encoded(
    std::string_view text);  // everything but RFC 3986's unreserved

}  // namespace umbel::http
