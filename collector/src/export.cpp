#include "export.hpp"

#include <algorithm>
#include <array>

#include "flower.hpp"
#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;

constexpr std::size_t kMostRows = 100'000;
constexpr std::size_t kPage = 500;
constexpr std::size_t kRowsOtherwise = 10'000;
constexpr auto kLongest = std::chrono::seconds{60};  // the thread of a connection is held

constexpr std::array kColumns{"id",      "name",   "state",     "received", "started", "finished",
                              "runtime", "wait",   "worker",    "queue",    "retries", "args",
                              "kwargs",  "result", "exception", "error",    "sent",    "eta"};

enum class Format { Csv, Json, Lines };

// As RFC 4180 has it. A text that a spreadsheet would take for a formula gets an apostrophe.
std::string csv_field(const json::value& value) {
  if (value.is_null()) return {};
  if (!value.is_string()) return json::serialize(value);
  std::string text{value.get_string()};
  if (!text.empty() && std::string_view{"=+-@\t\r"}.find(text.front()) != std::string_view::npos)
    text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string csv_head() {
  std::string line;
  for (const char* column : kColumns) line += (line.empty() ? "" : ",") + std::string{column};
  return line + "\r\n";
}

std::string csv_row(const json::object& row) {
  std::string line;
  for (const char* column : kColumns) {
    if (column != kColumns.front()) line += ',';
    line += csv_field(row.at(column));
  }
  return line + "\r\n";
}

using Write = std::function<bool(std::string_view)>;

// One answer, while it is sent.
class Export {
 public:
  Export(SearchParts parts, SearchRequest asked, Format format, std::size_t most)
      : parts_{parts}, asked_{std::move(asked)}, format_{format}, left_{most} {}

  void send(const Write& write, bool head_alone) {
    if (!write(head()) || head_alone) return;
    if (write(begin()) && rows(write)) (void)write(end());
  }

 private:
  [[nodiscard]] std::string head() const {
    const char* const type = format_ == Format::Csv    ? "text/csv; charset=utf-8"
                             : format_ == Format::Json ? "application/json"
                                                       : "application/x-ndjson";
    const char* const name = format_ == Format::Csv    ? "tasks.csv"
                             : format_ == Format::Json ? "tasks.json"
                                                       : "tasks.jsonl";
    return std::string{"HTTP/1.1 200 OK\r\nContent-Type: "} + type +
           "\r\nContent-Disposition: attachment; filename=\"" + name +
           "\"\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
           "Connection: close\r\n\r\n";
  }

  [[nodiscard]] std::string begin() const {
    return format_ == Format::Csv ? csv_head() : format_ == Format::Json ? "{\"tasks\": [" : "";
  }

  // False: the client is gone.
  bool rows(const Write& write) {
    const auto until = parts_.clock.steady() + kLongest;
    SearchOptions options;
    options.budget = std::chrono::seconds{1};
    for (;;) {
      options.limit = std::min(left_, kPage);
      const auto page = search_page(parts_, asked_.query, options);
      if (!page) {
        error_ = page.error().what;
        cut_ = true;
        return true;
      }
      std::string text;
      for (const Task& task : page->tasks) text += row(found_row(task));
      written_ += page->tasks.size();
      left_ -= page->tasks.size();
      if (!text.empty() && !write(text)) return false;
      if (!page->next) return true;
      options.from = page->next;
      cut_ = left_ == 0 || parts_.clock.steady() >= until;
      if (cut_) return true;
    }
  }

  [[nodiscard]] std::string row(const json::object& task) {
    if (format_ == Format::Csv) return csv_row(task);
    if (format_ == Format::Lines) return flower::text(task) + "\n";
    return (std::exchange(first_, false) ? "\n" : ",\n") + flower::text(task);
  }

  [[nodiscard]] std::string end() const {
    json::object said{{"rows", written_}, {"cut", cut_}};
    if (!error_.empty()) said["error"] = error_;
    if (format_ == Format::Lines) return flower::text(said) + "\n";
    if (format_ == Format::Json) return "\n], " + flower::text(said).substr(1) + "\n";
    if (!cut_) return {};
    return csv_field(json::value("cut off after " + std::to_string(written_) + " rows" +
                                 (error_.empty() ? "" : ": " + error_))) +
           "\r\n";
  }

  SearchParts parts_;
  SearchRequest asked_;
  Format format_;
  std::size_t left_;
  std::size_t written_ = 0;
  bool first_ = true, cut_ = false;
  std::string error_;
};

}  // namespace

http::Response export_tasks(const SearchParts& parts, const http::Request& request) {
  auto asked = search_request(request, parts.clock.wall());
  if (auto* const wrong = std::get_if<http::Response>(&asked)) return std::move(*wrong);
  const std::string format = request.argument("format").value_or("csv");
  if (format != "csv" && format != "json" && format != "jsonl") {
    return error_response(
        400, "argument format=" + shortened(format, 60) + ": allowed are csv, json, jsonl");
  }
  const auto limit = size_argument(request, "limit", kRowsOtherwise, kMostRows);
  if (!limit) return error_response(400, limit.error().what);
  const Format kind = format == "csv"    ? Format::Csv
                      : format == "json" ? Format::Json
                                         : Format::Lines;
  http::Response response;
  response.raw = [parts, search = std::get<SearchRequest>(std::move(asked)), kind, most = *limit,
                  head_alone = request.method == "HEAD"](const Write& write) {
    Export{parts, search, kind, most}.send(write, head_alone);
  };
  return response;
}

}  // namespace umbel::collector
