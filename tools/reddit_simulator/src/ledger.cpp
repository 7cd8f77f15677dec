#include "ledger.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;

std::string system_text(int number) { return std::generic_category().message(number); }

const char* text_of(LedgerRequest::Kind kind) {
  switch (kind) {
    case LedgerRequest::Kind::Token:
      return "token";
    case LedgerRequest::Kind::Listing:
      return "listing";
    case LedgerRequest::Kind::Submission:
      return "submission";
    case LedgerRequest::Kind::Refused:
      break;
  }
  return "refused";
}

std::string string_at(const json::object& line, std::string_view key) {
  const json::value* value = line.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, WallTime now) {
  std::unique_ptr<Ledger> ledger{new Ledger};
  if (!path.empty()) {
    if (const auto read = ledger->read(path); !read) return read.error();
    ledger->file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (ledger->file_ < 0) {
      return invalid(fmt::format("ledger file {}: {}", path, system_text(errno)));
    }
    // The leading newline ends a line that a kill may have cut off.
    const json::object start{{"at", to_micros(now)}, {"request", "start"}};
    if (const auto done = ledger->append("\n" + json::serialize(start)); !done) return done.error();
  }
  if (ledger->starts_ == 0) ledger->first_start_ = now;
  ++ledger->starts_;
  return ledger;
}

Ledger::~Ledger() {
  if (file_ >= 0) ::close(file_);
}

Result<void> Ledger::read(const std::string& path) {
  std::ifstream file{path};
  if (!file) return {};  // not there yet; a file that may not be read may not be written either
  std::string text;
  while (std::getline(file, text)) {
    boost::system::error_code bad;
    const json::value value = json::parse(text, bad);
    const json::object* line = bad ? nullptr : value.if_object();
    const json::value* at = line != nullptr ? line->if_contains("at") : nullptr;
    if (at == nullptr || !at->is_int64()) continue;
    const WallTime when = from_micros(at->get_int64());
    const std::string request = string_at(*line, "request");
    if (request == "start") {
      if (starts_++ == 0) first_start_ = when;
      continue;
    }
    ++requests_;
    if (request == "token") ++tokens_;
    if (request == "refused") ++refused_;
    if (request == "listing") ++listings_;
    if (const json::value* listed = line->if_contains("listed"); listed && listed->is_object()) {
      for (const auto& [fullname, subreddit] : listed->get_object()) {
        if (!subreddit.is_string()) continue;
        listed_.try_emplace(std::string{fullname},
                            Listed{std::string{subreddit.get_string()}, when});
      }
    }
    if (const std::string served = string_at(*line, "served"); !served.empty()) ++served_[served];
  }
  if (file.bad()) return invalid(fmt::format("ledger file {}: cannot be read", path));
  return {};
}

Result<void> Ledger::append(std::string line) {
  if (file_ < 0) return {};
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return unavailable("ledger file: " + system_text(errno));
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> Ledger::record(const LedgerRequest& request, WallTime now) {
  json::object fresh;
  for (const auto& [fullname, subreddit] : request.listed) {
    if (!listed_.contains(fullname)) fresh[fullname] = subreddit;
  }
  json::object line{{"at", to_micros(now)}, {"request", text_of(request.kind)}};
  if (!fresh.empty()) line["listed"] = fresh;
  if (!request.served.empty()) line["served"] = request.served;
  if (auto done = append(json::serialize(line)); !done) return done;

  ++requests_;
  if (request.kind == LedgerRequest::Kind::Token) ++tokens_;
  if (request.kind == LedgerRequest::Kind::Refused) ++refused_;
  if (request.kind == LedgerRequest::Kind::Listing) ++listings_;
  for (const auto& [fullname, subreddit] : request.listed) {
    listed_.try_emplace(fullname, Listed{subreddit, now});
  }
  if (!request.served.empty()) ++served_[request.served];
  return {};
}

std::string Ledger::json() const {
  json::array listed;
  for (const auto& [fullname, entry] : listed_) {
    listed.push_back(json::object{{"fullname", fullname},
                                  {"subreddit", entry.subreddit},
                                  {"first_listed", to_unix_seconds(entry.first)}});
  }
  json::object served;
  for (const auto& [fullname, times] : served_) served[fullname] = times;
  return json::serialize(json::object{{"listed", std::move(listed)},
                                      {"served", std::move(served)},
                                      {"tokens_issued", tokens_},
                                      {"requests", requests_},
                                      {"listings", listings_},
                                      {"refused", refused_},
                                      {"starts", starts_},
                                      {"first_start", to_unix_seconds(first_start_)}});
}

}  // namespace umbel::reddit_simulator
