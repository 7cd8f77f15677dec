#include "listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

namespace umbel::reddit {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostChildren = 1000;  // Reddit sends at most 100
constexpr std::size_t kMaxDepth = 512;       // replies to replies are five levels of JSON each
constexpr double kMostCount = 1e15;
constexpr double kLatestSecond = 32'503'680'000;  // the year 3000

std::string kind_of(const json::value* value) {
  if (value == nullptr) return "nothing";
  switch (value->kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

Error wrong(const std::string& path, std::string_view expected, const json::value* got) {
  return invalid(fmt::format("{}: expected {}, got {}", path, expected, kind_of(got)));
}

// Reads members of one object, and keeps the first complaint; what is wrong reads as empty.
class Members {
 public:
  Members(const json::object& object, std::string path) : object_{object}, path_{std::move(path)} {}

  std::string text(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value != nullptr && value->is_string()) return std::string{value->get_string()};
    complain(key, "a string", value);
    return {};
  }

  std::optional<std::string> text_or_null(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return text(key);
  }

  std::optional<double> number_or_null(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return number(key);
  }

  double number(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr || !value->is_number()) {
      complain(key, "a number", value);
      return 0;
    }
    const auto read = value->to_number<double>();
    if (std::isfinite(read)) return read;
    complain(key, "a number of reasonable size", value);
    return 0;
  }

  std::int64_t count(std::string_view key) {
    const double value = number(key);
    if (!std::isfinite(value) || std::abs(value) > kMostCount) {
      complain(key, "a whole number of reasonable size", object_.if_contains(key));
      return 0;
    }
    return std::llround(value);
  }

  bool flag(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->get_bool();
    complain(key, "a boolean", value);
    return false;
  }

  WallTime instant(std::string_view key) {
    const double seconds = number(key);
    if (!(seconds >= 0 && seconds < kLatestSecond)) {
      complain(key, "seconds since 1970", object_.if_contains(key));
      return {};
    }
    return from_unix_seconds(seconds);
  }

  // false, or the instant; `true` is what very old submissions have, whose instant Reddit does not
  // know.
  std::optional<WallTime> edited(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr || value->is_bool() || value->is_null()) return std::nullopt;
    if (value->is_number()) return instant(key);
    complain(key, "false or a number", value);
    return std::nullopt;
  }

  void complain(std::string_view key, std::string_view expected, const json::value* got) {
    if (!error_) error_ = wrong(fmt::format("{}.{}", path_, key), expected, got);
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  const json::object& object_;
  std::string path_;
  std::optional<Error> error_;
};

Result<Submission> read_submission(const json::object& data, const std::string& path) {
  Members members{data, path};
  Submission read;
  read.fullname = members.text("name");
  read.subreddit = members.text("subreddit");
  read.author = members.text_or_null("author").value_or("");
  if (read.author.empty()) read.author = "[deleted]";
  read.title = members.text("title");
  read.selftext = members.text("selftext");
  read.url = members.text("url");
  read.permalink = members.text("permalink");
  read.domain = members.text("domain");
  read.score = members.count("score");
  read.num_comments = members.count("num_comments");
  read.upvote_ratio = members.number_or_null("upvote_ratio");
  read.created = members.instant("created_utc");
  read.edited = members.edited("edited");
  read.is_self = members.flag("is_self");
  read.over_18 = members.flag("over_18");
  read.stickied = members.flag("stickied");
  read.locked = members.flag("locked");
  read.link_flair_text = members.text_or_null("link_flair_text");
  read.thumbnail = members.text_or_null("thumbnail");
  if (members.error()) return *members.error();
  if (!is_fullname(read.fullname)) {
    return invalid(path + ".name: expected t3_ and an id of digits and small letters");
  }
  if (!read.permalink.starts_with('/')) {
    return invalid(path + ".permalink: expected a path that begins with /");
  }
  return read;
}

const json::object* object_in(const json::value* value) {
  return value == nullptr ? nullptr : value->if_object();
}

Result<ListingPage> read_listing(const json::value& value, const std::string& at) {
  const json::object* root = value.if_object();
  if (root == nullptr) return wrong(at.empty() ? "the answer" : at, "a Listing", &value);
  const std::string dot = at.empty() ? "" : at + ".";
  const json::value* kind = root->if_contains("kind");
  if (kind == nullptr || !kind->is_string() || kind->get_string() != "Listing") {
    return wrong(dot + "kind", "\"Listing\"", kind);
  }
  const json::object* data = object_in(root->if_contains("data"));
  if (data == nullptr) return wrong(dot + "data", "an object", root->if_contains("data"));
  const json::value* children = data->if_contains("children");
  if (children == nullptr || !children->is_array()) {
    return wrong(dot + "data.children", "an array", children);
  }
  if (children->get_array().size() > kMostChildren) {
    return invalid(fmt::format("{}data.children: {} of them, at most {} are read", dot,
                               children->get_array().size(), kMostChildren));
  }

  ListingPage page;
  Members members{*data, dot + "data"};
  page.after = members.text_or_null("after");
  if (members.error()) return *members.error();
  if (page.after && page.after->empty()) page.after.reset();
  std::size_t index = 0;
  for (const json::value& child : children->get_array()) {
    const std::string path = fmt::format("{}data.children[{}]", dot, index++);
    const json::object* thing = child.if_object();
    if (thing == nullptr) return wrong(path, "an object", &child);
    const json::value* what = thing->if_contains("kind");
    if (what == nullptr || !what->is_string() || what->get_string() != "t3") {
      return wrong(path + ".kind", "\"t3\" (a submission)", what);
    }
    const json::object* fields = object_in(thing->if_contains("data"));
    if (fields == nullptr) return wrong(path + ".data", "an object", thing->if_contains("data"));
    auto submission = read_submission(*fields, path + ".data");
    if (!submission) return submission.error();
    page.children.push_back(std::move(*submission));
  }
  return page;
}

Result<json::value> parsed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return invalid("the answer is not JSON: it is empty");
  if (text[first] == '<') return invalid("the answer is not JSON: it is HTML");
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::stream_parser parser{{}, options};
  boost::system::error_code bad;
  std::size_t read = parser.write_some(text.data(), text.size(), bad);
  if (!bad && read == text.size()) parser.finish(bad);
  if (!bad && read < text.size()) {
    const auto rest = text.substr(read);
    if (!std::all_of(rest.begin(), rest.end(),
                     [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; })) {
      return invalid(fmt::format("the answer is not JSON: more after its end, at byte {}", read));
    }
    parser.finish(bad);
  }
  if (bad)
    return invalid(fmt::format("the answer is not JSON: {} at byte {}", bad.message(), read));
  return parser.release();
}

}  // namespace

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 13 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
  });
}

bool is_fullname(std::string_view text) { return text.starts_with("t3_") && is_id(text.substr(3)); }

Result<ListingPage> parse_listing(std::string_view text) {
  const auto value = parsed(text);
  if (!value) return value.error();
  return read_listing(*value, "");
}

Result<Submission> parse_comments(std::string_view text) {
  const auto value = parsed(text);
  if (!value) return value.error();
  const json::array* both = value->if_array();
  if (both == nullptr || both->empty()) {
    return wrong("the answer", "an array of two Listings", &*value);
  }
  auto page = read_listing(both->front(), "[0]");
  if (!page) return page.error();
  if (page->children.empty()) return not_found("[0].data.children: no submission is there");
  return std::move(page->children.front());
}

}  // namespace umbel::reddit
