#include "umbel/reddit_simulator/simulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "answers.hpp"
#include "dice.hpp"
#include "faults.hpp"
#include "ledger.hpp"
#include "listing_window.hpp"
#include "misbehaviour.hpp"
#include "pauses.hpp"
#include "stream.hpp"
#include "token_desk.hpp"

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostComments = 100;
constexpr std::uint64_t kLatencyPurpose = 9, kMisbehaviourPurpose = 10;

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

http::Response answer(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.content_type = "application/json; charset=UTF-8";
  response.body = std::move(body);
  return response;
}

http::Response refusal(int status, std::string_view message) {
  return answer(status, refusal_json(status, message));
}

std::optional<std::string> decoded_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>((bits >> static_cast<unsigned>(have)) & 0xFFU);
    }
  }
  return out;
}

// What follows `scheme` (any case) in an Authorization header; nothing if it is another scheme.
std::optional<std::string_view> credentials(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || lower(header.substr(0, scheme.size())) != scheme ||
      header[scheme.size()] != ' ') {
    return std::nullopt;
  }
  return header.substr(scheme.size() + 1);
}

// A number as Reddit reads one in a query: nonsense is the default, what lies outside the range its
// nearer end.
std::size_t number_argument(const http::Request& request, std::string_view name,
                            std::size_t otherwise, std::size_t most) {
  const auto text = request.argument(name);
  if (!text) return otherwise;
  long long value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value <= 0) return otherwise;
  return std::min(static_cast<std::size_t>(value), most);
}

std::string form_value(const http::Request& request, std::string_view name) {
  http::Request form;
  form.query = request.body;
  return form.argument(name).value_or("");
}

std::string_view without_json_suffix(std::string_view path) {
  if (path.ends_with(".json")) path.remove_suffix(5);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

Result<void> check(const SimulatorOptions& options) {
  if (options.subreddits.empty()) return invalid("subreddits: name at least one");
  if (!std::isfinite(options.rate) || options.rate <= 0 || options.rate > 1000) {
    return invalid(
        fmt::format("rate: {} is not above 0 and at most 1000 per second", options.rate));
  }
  for (const auto& name : options.subreddits) {
    const bool fits = name.size() >= 2 && name.size() <= 21 &&
                      std::all_of(name.begin(), name.end(),
                                  [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
    if (!fits || lower(name) == "all") {
      return invalid(fmt::format(
          "subreddits: '{}' is no name: 2 to 21 letters, digits or '_', and not 'all'", name));
    }
  }
  if (options.client_id.empty() != options.client_secret.empty()) {
    return invalid("client-id and client-secret: give both or neither");
  }
  if (options.latency_median.count() < 0 || options.latency_p99 < options.latency_median ||
      (options.latency_median.count() == 0 && options.latency_p99.count() > 0)) {
    return invalid(
        fmt::format("latency-median and latency-p99: {} ms and {} ms are no distribution; the "
                    "first is above 0 and not above the second, or both are 0",
                    options.latency_median.count(), options.latency_p99.count()));
  }
  if (options.rate_window.count() < 1) return invalid("rate-window: at least 1 s");
  if (options.ledger_keep < 1000) return invalid("ledger-keep: at least 1000");
  return {};
}

bool is_among(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& one) { return lower(one) == lower(name); });
}

// Clients of HTTP libraries that say nothing of who they are get no public page.
bool is_anonymous(const std::string& user_agent) {
  const std::string agent = lower(user_agent);
  return agent.empty() || agent.starts_with("curl/") || agent.starts_with("python-") ||
         agent.starts_with("wget/");
}

}  // namespace

struct Simulator::Impl {
  Impl(SimulatorOptions given, const Clock& machine, Log where, std::unique_ptr<Ledger> kept,
       FaultTable faults)
      : options{std::move(given)},
        clock{machine},
        log{std::move(where)},
        stream{StreamOptions{options.seed, options.rate, options.epoch, options.subreddits}},
        table{std::move(faults)},
        misbehaviour{table, {options.slow, options.retry_after, options.oversized}, pauses},
        desk{TokenDeskOptions{options.token_ttl, options.rate_window, options.rate_limit,
                              options.public_rate_limit}},
        ledger{std::move(kept)},
        next_request{ledger->requests()} {}

  SimulatorOptions options;
  const Clock& clock;
  Log log;
  Stream stream;
  FaultTable table;
  Pauses pauses;
  Misbehaviour misbehaviour;
  std::mutex mutex;  // of what follows
  TokenDesk desk;
  std::unique_ptr<Ledger> ledger;
  std::uint64_t next_request;

  struct Answered {
    http::Response response;
    LedgerRequest record;
  };

  WallTime floor() {
    const std::lock_guard lock{mutex};
    return ledger->first_start() - options.history;
  }

  // What a client is told is on record before it is told.
  http::Response told(Answered answered, WallTime now) {
    const std::lock_guard lock{mutex};
    const auto done = ledger->record(answered.record, now);
    if (done) return std::move(answered.response);
    log.error("ledger not written", {{"reason", done.error().what}});
    return refusal(503, "Service Unavailable");
  }

  // Each request gets a number, and by it its latency and its fault.
  std::uint64_t begin_request() {
    std::uint64_t number = 0;
    {
      const std::lock_guard lock{mutex};
      number = next_request++;
    }
    if (options.latency_median.count() > 0) {
      constexpr double kNormalP99 = 2.3263;
      Dice dice{options.seed, number, kLatencyPurpose};
      // Box and Muller's normal number; unit() may be 0, whose logarithm is not.
      const double normal =
          std::sqrt(-2 * std::log(1 - dice.unit())) * std::cos(2 * 3.14159265358979 * dice.unit());
      const auto median = static_cast<double>(options.latency_median.count());
      const double spread =
          std::log(static_cast<double>(options.latency_p99.count()) / median) / kNormalP99;
      pauses.wait(std::chrono::milliseconds{
          static_cast<std::int64_t>(std::min(median * std::exp(spread * normal), 60'000.0))});
    }
    return number;
  }

  http::Response misbehaved(Fault fault, Answered answered, const http::Request& request,
                            std::uint64_t number, WallTime now) {
    if (!tells(fault)) answered.record = {};
    if (answered.record.gone.empty()) answered.record.fault = to_text(fault);
    auto headers = answered.response.headers;
    answered.response = misbehaviour.answer(fault, std::move(answered.response), request,
                                            Dice{options.seed, number, kMisbehaviourPurpose}, now);
    for (auto& header : headers) {
      auto& all = answered.response.headers;
      if (std::find(all.begin(), all.end(), header) == all.end()) all.push_back(std::move(header));
    }
    return told(std::move(answered), now);
  }

  http::Response token(const http::Request& request) {
    const std::uint64_t number = begin_request();
    const WallTime now = clock.wall();
    if (!may_have_token(request)) return told({refusal(401, "Unauthorized"), {}}, now);
    if (form_value(request, "grant_type") != "client_credentials") {
      return told({answer(400, R"({"error":"unsupported_grant_type"})"), {}}, now);
    }
    std::string issued;
    {
      const std::lock_guard lock{mutex};
      issued = desk.issue(now);
    }
    const json::object body{{"access_token", issued},
                            {"token_type", "bearer"},
                            {"expires_in", options.token_ttl.count()},
                            {"scope", "*"}};
    Answered answered{answer(200, json::serialize(body)), {}};
    answered.record.kind = LedgerRequest::Kind::Token;
    if (const auto fault = table.of_request(options.seed, number)) {
      return misbehaved(*fault, std::move(answered), request, number, now);
    }
    return told(std::move(answered), now);
  }

  [[nodiscard]] bool may_have_token(const http::Request& request) const {
    if (options.client_id.empty()) return true;
    const std::string header = request.header("authorization");
    const auto encoded = credentials(header, "basic");
    if (!encoded) return false;
    return decoded_base64(*encoded) == options.client_id + ":" + options.client_secret;
  }

  // Without a token only the public pages are there, which end in `.json`.
  Admission admit(const http::Request& request, const std::optional<std::string_view>& bearer,
                  WallTime now) {
    const std::lock_guard lock{mutex};
    if (bearer) return desk.admit(std::string{*bearer}, now);
    if (!request.header("authorization").empty() || !request.path.ends_with(".json")) return {};
    return desk.admit_guest(request.remote_address, now);
  }

  // Every answer about submissions goes through here: token, budget, rate headers, faults, ledger.
  template <class Handle>
  http::Response api(const http::Request& request, const Handle& handle) {
    const std::uint64_t number = begin_request();
    const WallTime now = clock.wall();
    auto fault = table.of_request(options.seed, number);
    if (request.argument("loop")) fault = Fault::RedirectLoop;
    const std::string header = request.header("authorization");
    const auto bearer = credentials(header, "bearer");
    if (fault == Fault::Unauthorized) {
      if (bearer) {
        const std::lock_guard lock{mutex};
        desk.revoke(std::string{*bearer});
      } else {
        fault.reset();  // there is no token that could be worth nothing
      }
    }
    const Admission admission = admit(request, bearer, now);
    Answered answered;
    if (admission.answer == Admission::Answer::Unknown) {
      answered.response = refusal(401, "Unauthorized");
      if (fault == Fault::Unauthorized) answered.record.fault = to_text(*fault);
      return told(std::move(answered), now);
    }
    if (!bearer && is_anonymous(request.header("user-agent"))) {
      return told({refusal(429, "Too Many Requests"), {}}, now);
    }
    const bool limited = admission.answer == Admission::Answer::Limited;
    if (limited) {
      answered.response = refusal(429, "Too Many Requests");
      answered.response.headers.emplace_back("Retry-After",
                                             std::to_string(admission.reset.count()));
      answered.record.limited = true;
    } else {
      answered = handle(now);
    }
    auto& headers = answered.response.headers;
    headers.emplace_back("X-Ratelimit-Used", std::to_string(admission.used));
    headers.emplace_back("X-Ratelimit-Remaining", fmt::format("{}.0", admission.remaining));
    headers.emplace_back("X-Ratelimit-Reset", std::to_string(admission.reset.count()));
    if (limited || !fault) return told(std::move(answered), now);
    return misbehaved(*fault, std::move(answered), request, number, now);
  }

  // Why this subreddit refuses everybody, if it does.
  [[nodiscard]] std::optional<Fault> closed(const std::string& subreddit) const {
    if (is_among(options.private_subreddits, subreddit)) return Fault::Private;
    if (is_among(options.banned_subreddits, subreddit)) return Fault::Banned;
    if (is_among(options.quarantined_subreddits, subreddit)) return Fault::Quarantined;
    return std::nullopt;
  }

  static Answered gone(Fault why, std::string fullname) {
    Answered answered{refused_for_good(why), {}};
    answered.record.gone = std::move(fullname);
    answered.record.fault = to_text(why);
    return answered;
  }

  Answered rendered(const http::Request& request, json::value body, LedgerRequest record) const {
    if (request.argument("raw_json") != "1") escape_texts(body);
    return {answer(200, json::serialize(body)), std::move(record)};
  }

  http::Response listing(const http::Request& request) {
    const WallTime from = floor();
    return api(request, [&](WallTime now) -> Answered {
      ListingQuery query;
      const std::string name = lower(request.parameters.at("subreddit"));
      if (const auto why = closed(name)) return gone(*why, "");
      if (name != "all") {
        const auto& known = stream.subreddits();
        const auto found = std::find_if(known.begin(), known.end(),
                                        [&](const std::string& one) { return lower(one) == name; });
        if (found == known.end()) return {refusal(404, "Not Found"), {}};
        query.subreddit = static_cast<std::size_t>(found - known.begin());
      }
      query.limit = number_argument(request, "limit", 25, 100);
      query.after = request.argument("after").value_or("");
      query.before = request.argument("before").value_or("");

      const ListingWindow window = list(stream, query, from, now);
      LedgerRequest record;
      record.kind = LedgerRequest::Kind::Listing;
      json::array children;
      for (const std::uint64_t number : window.numbers) {
        const Post post = stream.post(number);
        children.push_back(submission_json(post, now));
        record.listed.emplace_back(post.fullname, post.subreddit);
      }
      return rendered(request, listing_json(std::move(children), window.after), std::move(record));
    });
  }

  // `rest`: `<id>`, `<id>/` or `<id>/<slug>/`, each also with `.json`; `subreddit` empty: whichever
  // it is in.
  http::Response comments(const http::Request& request, std::string_view rest,
                          const std::string& subreddit) {
    return api(request, [&](WallTime now) -> Answered {
      const std::string_view path = without_json_suffix(rest);
      const auto number = number_of(path.substr(0, path.find('/')));
      if (!number || *number >= stream.count_at(now)) return {refusal(404, "Not Found"), {}};
      const Post post = stream.post(*number);
      if (!subreddit.empty() && lower(post.subreddit) != lower(subreddit)) {
        return {refusal(404, "Not Found"), {}};
      }
      if (const auto why = closed(post.subreddit)) return gone(*why, post.fullname);
      if (const auto why = table.of_submission(stream.seed(), *number)) {
        return gone(*why, post.fullname);
      }
      const std::size_t limit = number_argument(request, "limit", 20, kMostComments);
      LedgerRequest record;
      record.kind = LedgerRequest::Kind::Submission;
      record.served = post.fullname;
      return rendered(request, comments_json(post, stream.seed(), now, limit), std::move(record));
    });
  }
};

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Simulator::~Simulator() { stop(); }

void Simulator::stop() { impl_->pauses.end(); }

Result<std::unique_ptr<Simulator>> Simulator::open(SimulatorOptions options, const Clock& clock,
                                                   Log log) {
  if (const auto fine = check(options); !fine) return fine.error();
  auto faults = FaultTable::parse(options.faults);
  if (!faults) return faults.error();
  auto ledger =
      Ledger::open({.path = options.ledger_path, .keep = options.ledger_keep}, clock.wall());
  if (!ledger) return ledger.error();
  return std::unique_ptr<Simulator>{new Simulator{std::make_unique<Impl>(
      std::move(options), clock, std::move(log), std::move(*ledger), std::move(*faults))}};
}

void Simulator::add_routes(http::Router& router) {
  Impl* impl = impl_.get();
  router.add("POST", "/api/v1/access_token",
             [impl](const http::Request& request) { return impl->token(request); });
  for (const char* path :
       {"/r/<subreddit>/new", "/r/<subreddit>/new/", "/r/<subreddit>/new.json"}) {
    router.add("GET", path,
               [impl](const http::Request& request) { return impl->listing(request); });
  }
  router.add("GET", "/r/<subreddit>/comments/<rest...>", [impl](const http::Request& request) {
    return impl->comments(request, request.parameters.at("rest"),
                          request.parameters.at("subreddit"));
  });
  router.add("GET", "/comments/<rest...>", [impl](const http::Request& request) {
    return impl->comments(request, request.parameters.at("rest"), "");
  });
  router.add("GET", "/ledger", [impl](const http::Request&) {
    const std::lock_guard lock{impl->mutex};
    return answer(200, impl->ledger->json());
  });
}

}  // namespace umbel::reddit_simulator
