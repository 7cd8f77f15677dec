#include "permalink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "listing.hpp"
#include "origin.hpp"
#include "umbel/base/text.hpp"

namespace umbel::reddit {
namespace {

struct Parts {
  std::string host;  // lower case, without port; empty: no authority
  std::string_view path;
  bool understood = true;
};

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Parts parts_of(std::string_view url) {
  Parts parts;
  if (const auto scheme_end = url.find("://"); scheme_end != std::string_view::npos) {
    const std::string scheme = lower(url.substr(0, scheme_end));
    url.remove_prefix(scheme_end + 3);
    const auto authority_end = url.find_first_of("/?#");
    const std::string_view authority = url.substr(0, authority_end);
    parts.understood = (scheme == "https" || scheme == "http") && !authority.empty() &&
                       authority.find('@') == std::string_view::npos;
    parts.host = lower(authority.substr(0, authority.find(':')));
    parts.understood = parts.understood && !parts.host.empty();
    url = authority_end == std::string_view::npos ? std::string_view{} : url.substr(authority_end);
  }
  parts.path = url.substr(0, url.find_first_of("?#"));
  return parts;
}

// Takes the first segment off a path; empty when there is none.
std::string_view take(std::string_view& path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

}  // namespace

bool is_subreddit(std::string_view name) {
  return name.size() >= 2 && name.size() <= 21 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

Result<Permalink> permalink_of(std::string_view url, std::string_view base_url) {
  const auto refused = [&](std::string_view why) {
    return invalid(fmt::format(
        "url: '{}' {}; allowed is https://www.reddit.com/r/<subreddit>/comments/<id>/…, "
        "/r/<subreddit>/comments/<id>/… or /comments/<id>",
        shortened(url, 200), why));
  };
  const Parts parts = parts_of(url);
  if (!parts.understood) return refused("is no http or https address");
  if (!parts.host.empty() && !is_reddit_host(parts.host) && parts.host != parts_of(base_url).host) {
    return refused(fmt::format("is on {}, which is not Reddit", shortened(parts.host, 100)));
  }
  if (!parts.path.starts_with('/')) return refused("has no path");

  std::string_view path = parts.path;
  std::string_view segment = take(path);
  Permalink link;
  if (segment == "r" || segment == "user" || segment == "u") {
    const std::string_view name = take(path);
    if (segment == "r" && is_subreddit(name)) link.subreddit = name;
    segment = take(path);
  }
  if (segment != "comments") return refused("is not the address of a submission");
  std::string_view id = take(path);
  if (id.ends_with(".json")) id.remove_suffix(5);
  if (!is_id(id)) return refused("has no id of digits and small letters after /comments/");
  link.id = id;
  return link;
}

Result<std::string> submission_id(std::string_view url, std::string_view base_url) {
  auto link = permalink_of(url, base_url);
  if (!link) return link.error();
  return std::move(link->id);
}

}  // namespace umbel::reddit
