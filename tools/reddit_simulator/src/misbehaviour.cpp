#include "misbehaviour.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "answers.hpp"
#include "gzip.hpp"

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;

constexpr const char* kPage =
    "<!doctype html><html><head><title>Reddit - busy</title></head><body><h1>Our CDN was unable to "
    "reach our servers</h1></body></html>";
constexpr const char* kElsewhere = "http://elsewhere.example/collect";

http::Response page(int status) {
  http::Response response;
  response.status = status;
  response.content_type = "text/html; charset=UTF-8";
  response.body = kPage;
  return response;
}

http::Response plain(int status, std::string_view message) {
  return http::json_response(refusal_json(status, message), status);
}

http::Response redirect(std::string to) {
  http::Response response;
  response.status = 302;
  response.headers.emplace_back("Location", std::move(to));
  return response;
}

std::string with_argument(const http::Request& request, std::string_view argument) {
  return fmt::format("{}?{}{}{}", request.path, request.query, request.query.empty() ? "" : "&",
                     argument);
}

std::string http_date(WallTime time) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

http::Response raw(std::string bytes) {
  http::Response response;
  response.raw = [bytes = std::move(bytes)](const auto& write) { static_cast<void>(write(bytes)); };
  return response;
}

std::string head(std::size_t length) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n",
      length);
}

http::Response truncated(http::Response good, Dice& dice) {
  const std::string half = good.body.substr(0, good.body.size() / 2);
  if (dice.chance(0.5)) return raw(head(good.body.size()) + half);
  good.body = half;
  return good;
}

// The first submission of a listing or of a submission's page.
json::object* first_submission(json::value& body) {
  if (auto* both = body.if_array(); both != nullptr && !both->empty()) {
    return first_submission(both->front());
  }
  auto* listing = body.if_object();
  auto* data = listing == nullptr ? nullptr : listing->if_contains("data");
  if (data == nullptr || !data->is_object()) return nullptr;
  auto* children = data->get_object().if_contains("children");
  if (children == nullptr || !children->is_array() || children->get_array().empty()) return nullptr;
  return children->get_array().front().at("data").if_object();
}

http::Response wrong_type(http::Response good, Dice& dice) {
  boost::system::error_code bad;
  json::value body = json::parse(good.body, bad);
  json::object* submission = bad ? nullptr : first_submission(body);
  switch (submission == nullptr ? 0 : dice.below(6)) {
    case 1:
      (*submission)["score"] = "high";
      break;
    case 2:
      (*submission)["created_utc"] = "yesterday";
      break;
    case 3:
      (*submission)["permalink"] = nullptr;
      break;
    case 4:
      (*submission)["title"] = json::array{"a", "title"};
      break;
    case 5:
      (*submission)["over_18"] = 1;
      break;
    default:
      body = 42;
  }
  good.body = json::serialize(body);
  return good;
}

http::Response packed(http::Response good, const http::Request& request) {
  if (request.header("accept-encoding").find("gzip") == std::string::npos) return good;
  good.body = gzipped(good.body);
  good.headers.emplace_back("Content-Encoding", "gzip");
  return good;
}

}  // namespace

Misbehaviour::Misbehaviour(const FaultTable& table, MisbehaviourOptions options, Pauses& pauses)
    : options_{options}, pauses_{pauses} {
  if (table.has(Fault::Bomb)) {
    bomb_ = std::make_shared<const std::string>(gzip_bomb(options_.oversized));
  }
}

http::Response Misbehaviour::slowly(bool with_head) const {
  http::Response response;
  response.raw = [this, with_head](const auto& write) {
    constexpr std::chrono::milliseconds kStep{100};
    if (with_head && !write(head(1'000'000))) return;
    for (std::chrono::milliseconds past{0}; past < options_.slow; past += kStep) {
      if (!pauses_.wait(std::min(kStep, options_.slow - past))) return;
      if (with_head && !write("[")) return;
    }
  };
  return response;
}

http::Response Misbehaviour::too_much() const {
  http::Response response;
  response.raw = [size = options_.oversized](const auto& write) {
    const std::string piece(64 * 1024, ' ');
    if (!write(head(size))) return;
    for (std::size_t left = size; left > 0; left -= std::min(left, piece.size())) {
      if (!write(std::string_view{piece}.substr(0, left))) return;
    }
  };
  return response;
}

http::Response Misbehaviour::answer(Fault fault, http::Response good, const http::Request& request,
                                    Dice dice, WallTime now) const {
  switch (fault) {
    case Fault::Unauthorized:
      return plain(401, "Unauthorized");
    case Fault::TimedOut:
      return plain(408, "Request Timeout");
    case Fault::RateLimited: {
      auto limited = plain(429, "Too Many Requests");
      limited.headers.emplace_back("Retry-After", dice.chance(0.5)
                                                      ? std::to_string(options_.retry_after.count())
                                                      : http_date(now + options_.retry_after));
      return limited;
    }
    case Fault::ServerError:
      return plain(500, "Internal Server Error");
    case Fault::BadGateway:
      return page(502);
    case Fault::Unavailable:
      return plain(503, "Service Unavailable");
    case Fault::Html:
      return page(200);
    case Fault::Truncated:
      return truncated(std::move(good), dice);
    case Fault::WrongType:
      return wrong_type(std::move(good), dice);
    case Fault::Empty:
      good.body.clear();
      return good;
    case Fault::Reset:
      return raw("");
    case Fault::Hang:
      return slowly(false);
    case Fault::Drip:
      return slowly(true);
    case Fault::Oversized:
      return too_much();
    case Fault::Bomb:
      good.body = *bomb_;
      good.headers.emplace_back("Content-Encoding", "gzip");
      return good;
    case Fault::BadGzip:
      good.headers.emplace_back("Content-Encoding", "gzip");
      return good;
    case Fault::Gzip:
      return packed(std::move(good), request);
    case Fault::Redirect:
      return redirect(with_argument(request, "redirected=1"));
    case Fault::RedirectLoop:
      return redirect(with_argument(request, "loop=1"));
    case Fault::RedirectElsewhere:
      return redirect(kElsewhere);
    default:
      return good;
  }
}

bool tells(Fault fault) {
  switch (fault) {
    case Fault::Gzip:
    case Fault::Private:
    case Fault::Banned:
    case Fault::Quarantined:
    case Fault::Deleted:
      return true;
    default:
      return false;
  }
}

http::Response refused_for_good(Fault fault) {
  const bool forbidden = fault == Fault::Private || fault == Fault::Quarantined;
  const int status = forbidden ? 403 : 404;
  json::object body{{"message", forbidden ? "Forbidden" : "Not Found"}, {"error", status}};
  if (fault != Fault::Deleted) body["reason"] = to_text(fault);
  if (fault == Fault::Quarantined) body["quarantine_message"] = "This community is quarantined.";
  return http::json_response(json::serialize(body), status);
}

}  // namespace umbel::reddit_simulator
