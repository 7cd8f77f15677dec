#include "api_source.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "umbel/runtime/settings.hpp"

namespace umbel::reddit {
namespace {

std::string user_agent_of(const RedditOptions& options) {
  if (!options.user_agent.empty()) return options.user_agent;
  return fmt::format("linux:umbel:{} (background tasks that measure new submissions)", version());
}

std::string header(const http::ClientResponse& answer, const char* name) {
  const auto found = answer.headers.find(name);
  return found == answer.headers.end() ? std::string{} : found->second;
}

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

ApiSource::ApiSource(const RedditOptions& options, SharedValues& shared)
    : options_{options},
      user_agent_{user_agent_of(options)},
      tokens_{options, user_agent_, shared, clients_} {}

Result<http::ClientResponse> ApiSource::send(const std::string& target, const std::string& token,
                                             const std::stop_token& stop) {
  http::ClientRequest request;
  request.url = options_.api_url + target;
  request.headers = {{"User-Agent", user_agent_},
                     {"Authorization", "Bearer " + token},
                     {"Accept", "application/json"}};
  request.timeout = options_.timeout;
  request.stop = stop;
  return clients_.take()->send(request);
}

ApiResult<ApiAnswer> ApiSource::get(const std::string& target, const Clock& clock,
                                    const std::stop_token& stop) {
  const std::string asked = target.substr(0, target.find('?'));
  auto token = tokens_.token(clock, stop);
  if (!token) return token.error();
  auto answer = send(target, *token, stop);
  if (answer && answer->status == 401) {
    token = tokens_.token(clock, stop, *token);
    if (!token) return token.error();
    answer = send(target, *token, stop);
  }
  if (!answer) return failure_of_transport(answer.error(), asked);
  if (answer->status != 200) {
    return failure_of_status(answer->status, asked, header(*answer, "retry-after"),
                             header(*answer, "x-ratelimit-reset"));
  }
  return ApiAnswer{std::move(answer->body),
                   {number(header(*answer, "x-ratelimit-used")),
                    number(header(*answer, "x-ratelimit-remaining")),
                    number(header(*answer, "x-ratelimit-reset"))}};
}

}  // namespace umbel::reddit
