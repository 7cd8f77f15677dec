#include "ledger.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>
#include <utility>

#include "stream.hpp"

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

const json::object* object_at(const json::object& line, std::string_view key) {
  const json::value* value = line.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::uint64_t count_in(const json::value& value) {
  return value.is_int64() && value.get_int64() > 0 ? static_cast<std::uint64_t>(value.get_int64())
                                                   : 0;
}

json::object line_of(const LedgerRequest& request, WallTime now) {
  json::object line{{"at", to_micros(now)}, {"request", text_of(request.kind)}};
  json::object listed;
  for (const auto& [fullname, subreddit] : request.listed) listed[fullname] = subreddit;
  if (!listed.empty()) line["listed"] = std::move(listed);
  if (!request.served.empty()) line["served"] = request.served;
  if (!request.gone.empty()) line["gone"] = request.gone;
  if (!request.fault.empty()) line["fault"] = request.fault;
  if (request.limited) line["limited"] = true;
  return line;
}

bool write_all(int file, std::string_view rest) {
  while (!rest.empty()) {
    const ssize_t written = ::write(file, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, WallTime now) {
  std::unique_ptr<Ledger> ledger{new Ledger{std::move(options)}};
  if (!ledger->options_.path.empty()) {
    if (const auto read = ledger->read(); !read) return read.error();
    if (const auto opened = ledger->open_file(); !opened) return opened.error();
    // The leading newline ends a line that a kill may have cut off.
    const json::object start{{"at", to_micros(now)}, {"request", "start"}};
    if (const auto done = ledger->append("\n" + json::serialize(start)); !done) return done.error();
  }
  if (ledger->counts_["starts"]++ == 0) ledger->first_start_ = now;
  return ledger;
}

Ledger::~Ledger() {
  if (file_ >= 0) ::close(file_);
}

Result<void> Ledger::open_file() {
  const auto& path = options_.path;
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0644);
  if (file_ >= 0) return {};
  return invalid(fmt::format("ledger file {}: {}", path, system_text(errno)));
}

Result<void> Ledger::read() {
  std::ifstream file{options_.path};
  if (!file) return {};  // not there yet; a file that may not be read may not be written either
  std::string text;
  while (std::getline(file, text)) {
    file_bytes_ += text.size() + 1;
    boost::system::error_code bad;
    const json::value value = json::parse(text, bad);
    const json::object* line = bad ? nullptr : value.if_object();
    if (line != nullptr) apply(*line);
  }
  if (file.bad()) return invalid(fmt::format("ledger file {}: cannot be read", options_.path));
  return {};
}

Ledger::Entry& Ledger::entry(const std::string& fullname) {
  const auto number = fullname.starts_with("t3_") ? number_of(fullname.substr(3)) : std::nullopt;
  Entry& found = entries_[number.value_or(0)];
  if (found.fullname.empty()) found.fullname = fullname;
  return found;
}

void Ledger::forget_the_oldest() {
  while (entries_.size() > options_.keep) {
    entries_.erase(entries_.begin());
    ++counts_["forgotten"];
  }
}

void Ledger::apply_summary(const json::object& line) {
  if (const auto* counts = object_at(line, "counts")) {
    for (const auto& [name, value] : *counts) counts_[name] = count_in(value);
  }
  if (const auto* faults = object_at(line, "faults")) {
    for (const auto& [name, value] : *faults) faults_[name] = count_in(value);
  }
  if (const auto* first = line.if_contains("first_start"); first != nullptr && first->is_int64()) {
    first_start_ = from_micros(first->get_int64());
  }
}

void Ledger::apply(const json::object& line) {
  const json::value* at = line.if_contains("at");
  if (at == nullptr || !at->is_int64()) return;
  const WallTime when = from_micros(at->get_int64());
  const std::string request = string_at(line, "request");
  if (request == "start") {
    if (counts_["starts"]++ == 0) first_start_ = when;
    return;
  }
  if (request == "summary") return apply_summary(line);
  const bool known = request == "known";  // part of a summary: nobody asked
  if (!known) ++counts_["requests"];
  if (request == "token") ++counts_["tokens_issued"];
  if (request == "refused") ++counts_["refused"];
  if (request == "listing") ++counts_["listings"];
  if (line.contains("limited")) ++counts_["limited"];
  if (const auto fault = string_at(line, "fault"); !fault.empty() && !known) ++faults_[fault];
  if (const auto* listed = object_at(line, "listed")) {
    for (const auto& [fullname, subreddit] : *listed) {
      Entry& one = entry(fullname);
      if (!one.subreddit.empty() || !subreddit.is_string()) continue;
      one.subreddit = subreddit.get_string();
      one.first_listed = when;
    }
  }
  if (const std::string served = string_at(line, "served"); !served.empty()) {
    const json::value* times = line.if_contains("times");
    entry(served).served += times == nullptr ? 1 : count_in(*times);
  }
  if (const std::string gone = string_at(line, "gone"); !gone.empty()) {
    entry(gone).gone = string_at(line, "fault");
  }
  forget_the_oldest();
}

Result<void> Ledger::append(const std::string& lines) {
  if (file_ < 0) return {};
  // What a full disk cut off is ended first, and is no line.
  if (!write_all(file_, (torn_ ? "\n" : "") + lines + "\n")) {
    torn_ = true;
    return unavailable("ledger file: " + system_text(errno));
  }
  torn_ = false;
  file_bytes_ += lines.size() + 1;
  return {};
}

std::string Ledger::known() const {
  json::object counts;
  for (const auto& [name, count] : counts_) counts[name] = count;
  json::object faults;
  for (const auto& [name, count] : faults_) faults[name] = count;
  std::string lines = json::serialize(json::object{{"at", to_micros(first_start_)},
                                                   {"request", "summary"},
                                                   {"first_start", to_micros(first_start_)},
                                                   {"counts", std::move(counts)},
                                                   {"faults", std::move(faults)}}) +
                      "\n";
  for (const auto& [number, one] : entries_) {
    json::object line{{"at", to_micros(one.first_listed)}, {"request", "known"}};
    if (!one.subreddit.empty()) line["listed"] = json::object{{one.fullname, one.subreddit}};
    if (one.served > 0) {
      line["served"] = one.fullname;
      line["times"] = one.served;
    }
    if (!one.gone.empty()) {
      line["gone"] = one.fullname;
      line["fault"] = one.gone;
    }
    lines += json::serialize(line) + "\n";
  }
  return lines;
}

void Ledger::rewrite_if_grown() {
  if (file_ < 0 || file_bytes_ < std::max(2 * rewritten_bytes_, options_.least_rewritten)) return;
  const std::string beside = options_.path + ".new";
  const std::string lines = known();
  const int file =
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  const bool written = file >= 0 && write_all(file, lines) &&
                       std::rename(beside.c_str(), options_.path.c_str()) == 0;
  if (!written) {
    rewritten_bytes_ = file_bytes_;  // the old file goes on; the next try is when it has doubled
    if (file >= 0) ::close(file);
    return;
  }
  ::close(std::exchange(file_, file));
  rewritten_bytes_ = file_bytes_ = lines.size();
}

Result<void> Ledger::record(const LedgerRequest& request, WallTime now) {
  LedgerRequest fresh = request;
  std::erase_if(fresh.listed, [this](const auto& one) {
    const auto number = number_of(std::string_view{one.first}.substr(3));
    const auto found = entries_.find(number.value_or(0));
    return found != entries_.end() && !found->second.subreddit.empty();
  });
  const json::object line = line_of(fresh, now);
  if (auto done = append(json::serialize(line)); !done) return done;
  apply(line);
  rewrite_if_grown();
  return {};
}

std::string Ledger::json() const {
  json::array listed;
  json::object served;
  json::object gone;
  for (const auto& [number, one] : entries_) {
    if (!one.subreddit.empty()) {
      listed.push_back(json::object{{"fullname", one.fullname},
                                    {"subreddit", one.subreddit},
                                    {"first_listed", to_unix_seconds(one.first_listed)}});
    }
    if (one.served > 0) served[one.fullname] = one.served;
    if (!one.gone.empty()) gone[one.fullname] = one.gone;
  }
  json::object faults;
  for (const auto& [name, count] : faults_) faults[name] = count;
  json::object all{{"listed", std::move(listed)},
                   {"served", std::move(served)},
                   {"gone", std::move(gone)},
                   {"faults", std::move(faults)},
                   {"first_start", to_unix_seconds(first_start_)}};
  for (const auto& [name, count] : counts_) all[name] = count;
  return json::serialize(all);
}

}  // namespace umbel::reddit_simulator
