#include "stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "dice.hpp"
#include "words.hpp"

namespace umbel::reddit_simulator {
namespace {

enum Purpose : std::uint64_t { kWhen = 1, kWhere = 2, kDeletion = 3, kContents = 4 };

constexpr std::uint64_t kFirstId =
    3'000'000'000;  // "1dm4etc": seven characters, as Reddit's have today
constexpr double kMicros = 1e6;

std::chrono::microseconds micros(double seconds) {
  return std::chrono::microseconds{static_cast<std::int64_t>(seconds * kMicros)};
}

double grown(WallTime created, WallTime now, double growth_seconds) {
  const double age = static_cast<double>((now - created).count()) / kMicros;
  return age <= 0 ? 0.0 : 1.0 - std::exp(-age / growth_seconds);
}

void add_link(Post& post, Dice& dice) {
  const std::string slug = slug_of(post.title);
  switch (post.kind) {
    case PostKind::Image:
      post.domain = "i.pictures.example";
      post.url = fmt::format("https://{}/{}.jpg", post.domain, to_base36(dice.next() >> 20));
      break;
    case PostKind::Video:
      post.domain = "video.example";
      post.url =
          fmt::format("https://{}/watch?v={}&t=0", post.domain, to_base36(dice.next() >> 12));
      break;
    default:
      post.domain = made_domain(dice);
      post.url = fmt::format("https://{}/{}/{}", post.domain, 2000 + dice.below(26), slug);
  }
}

}  // namespace

std::int64_t Post::score_at(WallTime now) const {
  return 1 + static_cast<std::int64_t>(static_cast<double>(final_score - 1) *
                                       grown(created, now, growth_seconds));
}

std::int64_t Post::comments_at(WallTime now) const {
  return static_cast<std::int64_t>(static_cast<double>(final_comments) *
                                   grown(created, now, growth_seconds));
}

Stream::Stream(StreamOptions options) : options_{std::move(options)} {
  double sum = 0;
  for (std::size_t i = 0; i < options_.subreddits.size(); ++i) {
    sum += 1.0 / std::sqrt(static_cast<double>(i) + 1.0);
    shares_.push_back(sum);
  }
  for (double& share : shares_) share /= sum;
}

WallTime Stream::created(std::uint64_t number) const {
  const double place = static_cast<double>(number) + Dice{options_.seed, number, kWhen}.unit();
  return options_.epoch + micros(place / options_.rate);
}

std::uint64_t Stream::count_at(WallTime now) const {
  if (now < options_.epoch) return 0;
  const double seconds = static_cast<double>((now - options_.epoch).count()) / kMicros;
  auto count = static_cast<std::uint64_t>(seconds * options_.rate);
  while (created(count) <= now) ++count;
  while (count > 0 && created(count - 1) > now) --count;
  return count;
}

std::size_t Stream::subreddit_index(std::uint64_t number) const {
  const double place = Dice{options_.seed, number, kWhere}.unit();
  const auto found = std::upper_bound(shares_.begin(), shares_.end(), place);
  return std::min(static_cast<std::size_t>(found - shares_.begin()), shares_.size() - 1);
}

std::optional<WallTime> Stream::deleted(std::uint64_t number) const {
  Dice dice{options_.seed, number, kDeletion};
  if (!dice.chance(0.01)) return std::nullopt;
  return created(number) + micros(60 + 540 * dice.unit());
}

Post Stream::post(std::uint64_t number) const {
  Dice dice{options_.seed, number, kContents};
  Post post;
  post.number = number;
  post.id = id_of(number);
  post.fullname = "t3_" + post.id;
  post.subreddit = options_.subreddits[subreddit_index(number)];
  post.created = created(number);
  post.author = made_author(dice);
  post.title = made_title(dice);
  post.permalink =
      fmt::format("/r/{}/comments/{}/{}/", post.subreddit, post.id, slug_of(post.title));

  const double kind = dice.unit();
  post.kind = kind < 0.6    ? PostKind::Self
              : kind < 0.85 ? PostKind::Link
              : kind < 0.95 ? PostKind::Image
                            : PostKind::Video;
  if (post.kind == PostKind::Self) {
    post.selftext = made_text(dice);
    post.domain = "self." + post.subreddit;
    post.url = "https://www.reddit.com" + post.permalink;
  } else {
    add_link(post, dice);
  }

  if (dice.chance(0.3)) post.flair = made_flair(dice);
  if (dice.chance(0.15)) post.author_flair = made_flair(dice);
  post.over_18 = dice.chance(0.01);
  post.spoiler = dice.chance(0.02);
  post.locked = dice.chance(0.01);
  post.upvote_ratio = std::round((0.5 + 0.5 * dice.unit()) * 100) / 100;
  // Most stay small, a few grow large: exponents spread evenly.
  post.final_score = static_cast<std::int64_t>(std::exp(8.5 * dice.unit() * dice.unit()));
  post.final_comments = static_cast<std::int64_t>(std::exp(7.0 * dice.unit() * dice.unit())) - 1;
  post.growth_seconds = 120 + 3600 * dice.unit();
  if (post.kind == PostKind::Self && dice.chance(0.05)) {
    post.edited = post.created + micros(30 + 600 * dice.unit());
  }
  post.deleted = deleted(number);
  return post;
}

std::string to_base36(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[static_cast<std::size_t>(value % 36)]);
    value /= 36;
  } while (value > 0);
  return text;
}

std::string id_of(std::uint64_t number) { return to_base36(kFirstId + number); }

std::optional<std::uint64_t> number_of(std::string_view id) {
  if (id.empty() || id.size() > 12) return std::nullopt;  // 36^12 fits 64 bits
  std::uint64_t value = 0;
  for (const char c : id) {
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'z') {
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 36 + digit;
  }
  if (value < kFirstId) return std::nullopt;
  return value - kFirstId;
}

}  // namespace umbel::reddit_simulator
