#include "answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "dice.hpp"
#include "words.hpp"

namespace umbel::reddit_simulator {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kCommentPurpose = 5, kSubredditPurpose = 6;
constexpr const char* kDeleted = "[deleted]";

double whole_seconds(WallTime time) { return std::floor(to_unix_seconds(time)); }

// The old API's `created`: the same instant in the servers' own zone, eight hours on.
double server_seconds(WallTime time) { return whole_seconds(time) + 8 * 3600; }

json::value or_null(const std::optional<std::string>& text) {
  if (!text) return nullptr;
  return json::value(*text);
}

json::value css_class(const std::optional<std::string>& flair) {
  if (!flair) return nullptr;
  return json::value(slug_of(*flair));
}

std::string subreddit_id(const std::string& subreddit) {
  std::uint64_t sum = 0;
  for (const char c : subreddit) sum = sum * 131 + static_cast<unsigned char>(c);
  return "t5_" + to_base36(2'000'000 + Dice{sum, 0, kSubredditPurpose}.below(60'000'000));
}

std::string full_html(std::string_view text) {
  return "<!-- SC_OFF -->" + html_of(text) + "<!-- SC_ON -->";
}

json::object embed(const Post& post) {
  return {{"content",
           fmt::format("<iframe width=\"600\" height=\"338\" src=\"{}\"></iframe>", post.url)},
          {"width", 600},
          {"height", 338},
          {"scrolling", false}};
}

json::object media(const Post& post) {
  return {{"type", post.domain},
          {"oembed", json::object{{"provider_url", "https://" + post.domain + "/"},
                                  {"provider_name", "Video Example"},
                                  {"version", "1.0"},
                                  {"type", "video"},
                                  {"title", post.title},
                                  {"url", post.url},
                                  {"width", 600},
                                  {"height", 338}}}};
}

json::object preview(const Post& post) {
  const std::string base = "https://thumbs.example/" + post.id;
  const auto image = [&base](int width, int height) {
    return json::object{
        {"url", fmt::format("{}?w={}&s=1", base, width)}, {"width", width}, {"height", height}};
  };
  return {{"images",
           json::array{json::object{{"source", image(1280, 720)},
                                    {"resolutions", json::array{image(108, 60), image(320, 180)}},
                                    {"variants", json::object{}},
                                    {"id", post.id}}}}};
}

std::string thumbnail(const Post& post) {
  if (post.over_18) return "nsfw";
  switch (post.kind) {
    case PostKind::Self:
      return post.number % 3 == 0 ? "" : "self";
    case PostKind::Link:
      return "default";
    default:
      return "https://thumbs.example/" + post.id + ".jpg";
  }
}

const char* post_hint(PostKind kind) {
  switch (kind) {
    case PostKind::Image:
      return "image";
    case PostKind::Video:
      return "rich:video";
    default:
      return "link";
  }
}

json::object submission_data(const Post& post, WallTime now) {
  const bool gone = post.deleted && *post.deleted <= now;
  const bool self = post.kind == PostKind::Self;
  const bool video = post.kind == PostKind::Video;
  const std::string text = gone && self ? kDeleted : post.selftext;
  const std::int64_t score = post.score_at(now);
  const json::value edited = post.edited && *post.edited <= now
                                 ? json::value(whole_seconds(*post.edited))
                                 : json::value(false);

  json::object data;
  data["approved_by"] = nullptr;
  data["archived"] = false;
  data["author"] = gone ? std::string{kDeleted} : post.author;
  data["author_flair_css_class"] = gone ? json::value(nullptr) : css_class(post.author_flair);
  data["author_flair_text"] = gone ? json::value(nullptr) : or_null(post.author_flair);
  data["banned_by"] = nullptr;
  data["clicked"] = false;
  data["contest_mode"] = false;
  data["created"] = server_seconds(post.created);
  data["created_utc"] = whole_seconds(post.created);
  data["distinguished"] = nullptr;
  data["domain"] = post.domain;
  data["downs"] = 0;
  data["edited"] = edited;
  data["from"] = nullptr;
  data["from_id"] = nullptr;
  data["from_kind"] = nullptr;
  data["gilded"] = score > 2000 ? 1 : 0;
  data["hidden"] = false;
  data["hide_score"] = now - post.created < std::chrono::hours{1};
  data["id"] = post.id;
  data["is_self"] = self;
  data["likes"] = nullptr;
  data["link_flair_css_class"] = css_class(post.flair);
  data["link_flair_text"] = or_null(post.flair);
  data["locked"] = post.locked;
  data["media"] = video ? json::value(media(post)) : json::value(nullptr);
  data["media_embed"] = video ? embed(post) : json::object{};
  data["mod_reports"] = json::array{};
  data["name"] = post.fullname;
  data["num_comments"] = post.comments_at(now);
  data["num_reports"] = nullptr;
  data["over_18"] = post.over_18;
  data["permalink"] = post.permalink;
  if (!self) {
    data["post_hint"] = post_hint(post.kind);
    data["preview"] = preview(post);
  }
  data["quarantine"] = false;
  data["removal_reason"] = nullptr;
  data["report_reasons"] = nullptr;
  data["saved"] = false;
  data["score"] = score;
  data["secure_media"] = video ? json::value(media(post)) : json::value(nullptr);
  data["secure_media_embed"] = video ? embed(post) : json::object{};
  data["selftext"] = text;
  data["selftext_html"] = text.empty() ? json::value(nullptr) : json::value(full_html(text));
  data["spoiler"] = post.spoiler;
  data["stickied"] = false;
  data["subreddit"] = post.subreddit;
  data["subreddit_id"] = subreddit_id(post.subreddit);
  data["suggested_sort"] = post.number % 20 == 0 ? json::value("new") : json::value(nullptr);
  data["thumbnail"] = thumbnail(post);
  data["title"] = post.title;
  data["ups"] = score;
  data["url"] = post.url;
  data["user_reports"] = json::array{};
  data["visited"] = false;
  return data;
}

json::object comment(const Post& post, std::uint64_t seed, std::uint64_t index) {
  Dice dice{seed, post.number * 4096 + index, kCommentPurpose};
  const std::string id = to_base36(78'364'164'096 + dice.below(2'000'000'000'000));
  const std::string author = made_author(dice);
  const std::string body = made_comment(dice);
  const auto score = static_cast<std::int64_t>(1 + dice.below(40));
  const WallTime created =
      post.created + std::chrono::seconds{static_cast<std::int64_t>(10 + dice.below(300))};
  json::object data{{"subreddit_id", subreddit_id(post.subreddit)},
                    {"banned_by", nullptr},
                    {"removal_reason", nullptr},
                    {"link_id", post.fullname},
                    {"likes", nullptr},
                    {"replies", ""},
                    {"user_reports", json::array{}},
                    {"saved", false},
                    {"id", id},
                    {"gilded", 0},
                    {"archived", false},
                    {"report_reasons", nullptr},
                    {"author", author},
                    {"parent_id", post.fullname},
                    {"score", score},
                    {"approved_by", nullptr},
                    {"controversiality", 0},
                    {"body", body},
                    {"edited", false},
                    {"author_flair_css_class", nullptr},
                    {"downs", 0},
                    {"body_html", html_of(body)},
                    {"subreddit", post.subreddit},
                    {"name", "t1_" + id},
                    {"score_hidden", false},
                    {"stickied", false},
                    {"created", server_seconds(created)},
                    {"author_flair_text", nullptr},
                    {"created_utc", whole_seconds(created)},
                    {"distinguished", nullptr},
                    {"mod_reports", json::array{}},
                    {"num_reports", nullptr},
                    {"ups", score}};
  return {{"kind", "t1"}, {"data", std::move(data)}};
}

}  // namespace

json::object submission_json(const Post& post, WallTime now) {
  return {{"kind", "t3"}, {"data", submission_data(post, now)}};
}

json::object listing_json(json::array children, const std::optional<std::string>& after) {
  return {{"kind", "Listing"},
          {"data", json::object{{"modhash", ""},
                                {"children", std::move(children)},
                                {"after", or_null(after)},
                                {"before", nullptr}}}};
}

json::array comments_json(const Post& post, std::uint64_t seed, WallTime now, std::size_t limit) {
  json::object submission = submission_data(post, now);
  submission["upvote_ratio"] = post.upvote_ratio;
  json::array first{json::object{{"kind", "t3"}, {"data", std::move(submission)}}};
  json::array second;
  const auto count =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(post.comments_at(now)), limit);
  for (std::uint64_t i = 0; i < count; ++i) second.push_back(comment(post, seed, i));
  json::array answer;
  answer.push_back(listing_json(std::move(first), std::nullopt));
  answer.push_back(listing_json(std::move(second), std::nullopt));
  return answer;
}

void escape_texts(json::value& value) {
  if (auto* array = value.if_array()) {
    for (auto& element : *array) escape_texts(element);
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) escape_texts(member.value());
  } else if (auto* text = value.if_string()) {
    if (text->find_first_of("&<>") == json::string::npos) return;
    std::string escaped;
    for (const char c : *text) {
      switch (c) {
        case '&':
          escaped += "&amp;";
          break;
        case '<':
          escaped += "&lt;";
          break;
        case '>':
          escaped += "&gt;";
          break;
        default:
          escaped += c;
      }
    }
    value = escaped;
  }
}

std::string refusal_json(int status, std::string_view message) {
  return json::serialize(json::object{{"message", message}, {"error", status}});
}

}  // namespace umbel::reddit_simulator
