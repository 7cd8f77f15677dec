#include "requester.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "umbel/runtime/settings.hpp"

namespace umbel::reddit {
namespace {

using std::chrono::milliseconds;

// A wait in a slot of the pool is short; a longer one hands the slot to another task.
constexpr milliseconds kLongestPause{300};
constexpr int kMostPauses = 5;

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value < 1e9)) {
    return std::nullopt;
  }
  return value;
}

std::optional<RateHeaders> rate_headers(const http::ClientResponse& answer) {
  const auto used = number(header_of(answer, "x-ratelimit-used"));
  const auto remaining = number(header_of(answer, "x-ratelimit-remaining"));
  const auto reset = number(header_of(answer, "x-ratelimit-reset"));
  if (!used || !remaining || !reset) return std::nullopt;
  return RateHeaders{std::llround(std::ceil(*used)), std::llround(std::floor(*remaining)),
                     std::chrono::seconds{std::llround(std::ceil(*reset))}};
}

void add_times(Phases& phases, const http::ClientTimes& times) {
  phases.add(Phase::Dns, times.name_lookup);
  phases.add(Phase::Connect, times.connect - times.name_lookup);
  phases.add(Phase::Tls, times.tls - times.connect);
  phases.add(Phase::FirstByte, times.first_byte - times.tls);
  phases.add(Phase::Transfer, times.total - times.first_byte);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

ApiFailure redirect_failure(ApiFailure::Next next, Reason reason, const std::string& asked,
                            std::string_view what) {
  return {reason,
          next,
          next == ApiFailure::Next::GiveUp ? "LookupError" : "ConnectionError",
          fmt::format("{} is redirected {}", asked, what),
          {}};
}

// Where Reddit sends whom it does not let in: no other try ends elsewhere.
std::optional<ApiFailure> dead_end(const std::string& asked, const Address& to) {
  const auto leads = [&](std::string_view path) { return to.target.starts_with(path); };
  using Next = ApiFailure::Next;
  if (leads("/subreddits/search")) {
    return redirect_failure(Next::GiveUp, Reason::NotFound, asked, "to the search: never there");
  }
  if (leads("/login")) {
    return redirect_failure(Next::GiveUp, Reason::Private, asked, "to the login");
  }
  if (leads("/quarantine")) {
    return redirect_failure(Next::GiveUp, Reason::Quarantined, asked, "to the quarantine's page");
  }
  if (leads("/over18")) {
    return redirect_failure(Next::GiveUp, Reason::Forbidden, asked, "to the question of age");
  }
  return std::nullopt;
}

}  // namespace

bool pause(const std::stop_token& stop, milliseconds duration) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  wake.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

std::string user_agent_of(const RedditOptions& options) {
  if (!options.user_agent.empty()) return options.user_agent;
  return fmt::format("linux:umbel:{} (background tasks that measure new submissions)", version());
}

Requester::Requester(const RedditOptions& options, SharedValues& shared, std::string budget_key,
                     ClientPool& clients)
    : options_{options},
      user_agent_{user_agent_of(options)},
      budget_{shared, std::move(budget_key)},
      clients_{clients} {}

ApiResult<RateGrant> Requester::admitted(const std::string& asked, const Asking& asking) {
  const auto began = asking.clock.steady();
  std::optional<ApiFailure> failure;
  RateGrant grant;
  for (int pauses = 0;; ++pauses) {
    const auto reserved = budget_.reserve(asking.clock);
    if (!reserved) {
      failure = failure_of_store(reserved.error(), "rate budget");
      break;
    }
    grant = *reserved;
    if (grant.granted) break;
    const auto wait = std::chrono::ceil<milliseconds>(grant.until - asking.clock.wall());
    if (wait > kLongestPause || pauses == kMostPauses) {
      failure = out_of_budget(asked, std::max(wait, kLongestPause));
      break;
    }
    if (!pause(asking.stop, std::max(wait, milliseconds{1}))) {
      failure = failure_of_transport({Errc::Cancelled, "stopped"}, asked);
      break;
    }
  }
  asking.phases.add(Phase::RateLimitWait,
                    std::chrono::duration<double>(asking.clock.steady() - began).count());
  if (failure) return *failure;
  return grant;
}

ApiResult<Requester::Got> Requester::send(const Address& to, const std::string& bearer,
                                          const std::string& asked, const Asking& asking) {
  const auto grant = admitted(asked, asking);
  if (!grant) return grant.error();
  http::ClientRequest request;
  request.url = to.url();
  request.headers = {{"User-Agent", user_agent_}, {"Accept", "application/json"}};
  if (!bearer.empty()) request.headers.emplace_back("Authorization", "Bearer " + bearer);
  request.connect_timeout = std::min(request.connect_timeout, options_.timeout);
  request.timeout = options_.timeout;
  request.max_body = options_.max_body;
  request.stop = asking.stop;

  RateAnswer told;
  told.sent = asking.clock.wall();
  auto answer = clients_.take()->send(request);
  told.received = asking.clock.wall();
  if (answer) {
    told.answered = true;
    told.headers = rate_headers(*answer);
    told.counted = answer->status != 401;
    if (answer->status == 429) told.wait = wait_asked_for(*answer, told.received);
    add_times(asking.phases, answer->times);
  }
  const auto left = budget_.finish(*grant, told);
  if (!answer) return failure_of_transport(answer.error(), asked);
  return Got{std::move(*answer), left};
}

ApiResult<Requester::Got> Requester::get(const Ask& ask, const Asking& asking) {
  const std::string asked = ask.target.substr(0, ask.target.find('?'));
  const auto base = address_of(ask.base + ask.target);
  if (!base) {
    return failure_of_transport(invalid("'" + ask.base + "' is no http or https address"), asked);
  }
  Address to = *base;
  for (int hops = 0;; ++hops) {
    auto got = send(to, to.origin() == base->origin() ? ask.bearer : "", asked, asking);
    if (!got || !is_redirect(got->response.status)) return got;
    const std::string location = header_of(got->response, "location");
    if (location.empty()) return got;
    const auto next = resolved(to, location);
    if (!next || !may_follow(to, *next)) {
      return redirect_failure(
          ApiFailure::Next::Retry, Reason::Redirect, asked,
          next ? "to " + next->host + ", where we do not follow" : "to what is no address");
    }
    if (auto failure = dead_end(asked, *next)) return *failure;
    if (hops == kMostRedirects) {
      return redirect_failure(ApiFailure::Next::Retry, Reason::Redirect, asked,
                              fmt::format("more than {} times", kMostRedirects));
    }
    to = *next;
  }
}

}  // namespace umbel::reddit
