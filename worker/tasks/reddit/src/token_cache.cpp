#include "token_cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "requester.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/text.hpp"

namespace umbel::reddit {

namespace json = boost::json;

namespace {

constexpr const char* kClaim = ".claim";
constexpr std::chrono::seconds kClaimed{20};  // longer than a request may take
constexpr std::chrono::milliseconds kPause{50};
constexpr int kMostPauses = 100;

}  // namespace

Result<Token> parse_token(std::string_view text, WallTime now) {
  boost::system::error_code bad;
  const json::value value = json::parse(text, bad);
  const json::object* object = bad ? nullptr : value.if_object();
  if (object == nullptr) return invalid("the token endpoint's answer is no JSON object");
  const json::value* token = object->if_contains("access_token");
  if (token == nullptr || !token->is_string() || token->get_string().empty()) {
    return invalid("access_token: expected a string");
  }
  const json::value* life = object->if_contains("expires_in");
  if (life == nullptr || !life->is_number()) return invalid("expires_in: expected a number");
  const double seconds = std::clamp(life->to_number<double>(), 0.0, 86'400.0 * 30);
  const double margin = std::min(60.0, seconds / 10);
  return Token{
      std::string{token->get_string()},
      now + std::chrono::microseconds{static_cast<std::int64_t>((seconds - margin) * 1e6)}};
}

TokenCache::TokenCache(const RedditOptions& options, std::string user_agent, SharedValues& shared,
                       ClientPool& clients)
    : options_{options},
      user_agent_{std::move(user_agent)},
      shared_{shared},
      clients_{clients},
      key_{"reddit.token." + named_uuid("token|" + options.token_url + "|" + options.client_id)} {}

bool TokenCache::usable(const std::optional<Token>& token, WallTime now,
                        const std::string& rejected) const {
  return token && token->ends > now && token->text != rejected;
}

const Sealer& TokenCache::sealer() {
  if (!sealer_) sealer_.emplace(options_.client_id, options_.client_secret);
  return *sealer_;
}

std::optional<Token> TokenCache::shared_token(WallTime now) {
  const auto value = shared_.get(key_, now);
  if (!value || !*value) return std::nullopt;
  const auto text = sealer().open(**value, key_);
  if (!text) return std::nullopt;
  std::int64_t ends = 0;
  const auto [colon, bad] = std::from_chars(text->data(), text->data() + text->size(), ends);
  if (bad != std::errc{} || colon == text->data() + text->size() || *colon != ':')
    return std::nullopt;
  return Token{std::string{colon + 1, text->data() + text->size()}, from_micros(ends)};
}

void TokenCache::share(const Token& token) {
  const std::string text = fmt::format("{}:{}", to_micros(token.ends), token.text);
  // Not shared is not lost: every other worker then asks for one of its own.
  static_cast<void>(shared_.put(key_, sealer().seal(text, key_), token.ends));
}

bool TokenCache::claim(const Clock& clock, const std::stop_token& stop,
                       const std::string& rejected) {
  for (int i = 0; i < kMostPauses; ++i) {
    const WallTime now = clock.wall();
    const auto claimed =
        shared_.replace(key_ + kClaim, std::nullopt, "claimed", now + kClaimed, now);
    // Somebody may have finished just before.
    token_ = shared_token(now);
    if (usable(token_, now, rejected)) {
      if (claimed && *claimed) release(clock);
      return false;
    }
    if (!claimed || *claimed) return true;
    if (!pause(stop, kPause)) return true;  // asking ends at once then, too
  }
  return true;
}

void TokenCache::release(const Clock& clock) {
  static_cast<void>(shared_.put(key_ + kClaim, "", clock.wall()));  // expired at once
}

ApiResult<std::string> TokenCache::token(const Clock& clock, const std::stop_token& stop,
                                         const std::string& rejected) {
  const std::lock_guard lock{mutex_};
  const WallTime now = clock.wall();
  if (usable(token_, now, rejected)) return token_->text;
  token_ = shared_token(now);
  if (usable(token_, now, rejected)) return token_->text;
  if (!claim(clock, stop, rejected)) return token_->text;
  auto fresh = request(clock, stop);
  if (fresh) {
    token_ = *fresh;
    share(*token_);
  }
  release(clock);
  if (!fresh) return fresh.error();
  return token_->text;
}

ApiResult<Token> TokenCache::request(const Clock& clock, const std::stop_token& stop) {
  const std::string asked = "the token endpoint " + without_password(options_.token_url);
  http::ClientRequest request;
  request.method = "POST";
  request.url = options_.token_url;
  request.headers = {{"User-Agent", user_agent_},
                     {"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  request.body = "grant_type=client_credentials";
  request.basic_auth = options_.client_id + ":" + options_.client_secret;
  request.timeout = options_.timeout;
  request.max_body = 64 * 1024;
  request.stop = stop;
  const auto answer = clients_.take()->send(request);
  if (!answer) return failure_of_transport(answer.error(), asked);
  if (answer->status != 200) {
    ApiFailure failure = failure_of_status(*answer, asked, clock.wall());
    // A submission is not at fault for what is wrong with our access: try again.
    if (failure.next == ApiFailure::Next::GiveUp) failure.next = ApiFailure::Next::Retry;
    return failure;
  }
  auto token = parse_token(answer->body, clock.wall());
  if (!token) {
    return ApiFailure{Reason::Parse,
                      ApiFailure::Next::Retry,
                      "ValueError",
                      asked + ": " + token.error().what,
                      {}};
  }
  return *token;
}

}  // namespace umbel::reddit
