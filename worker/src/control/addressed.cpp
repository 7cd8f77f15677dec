#include "addressed.hpp"

#include <algorithm>
#include <boost/regex.hpp>
#include <optional>
#include <string>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

constexpr std::size_t kLongestPattern = 1000;

struct Matched {
  bool fits = false;
  std::size_t length = 1;  // of this piece of the pattern
};

// `[…]` at the beginning of `pattern`; nothing: the bracket is never closed, and stands for itself.
std::optional<Matched> bracket(std::string_view pattern, char c) {
  std::size_t i = 1;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) ++i;
  const auto close = pattern.find(']', std::min(i + 1, pattern.size()));
  if (close == std::string_view::npos) return std::nullopt;
  bool found = false;
  while (i < close) {
    if (i + 2 < close && pattern[i + 1] == '-') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 3;
    } else {
      found = found || pattern[i] == c;
      ++i;
    }
  }
  return Matched{found != negated, close + 1};
}

Matched one(std::string_view pattern, char c) {
  if (pattern[0] == '?') return {true, 1};
  if (pattern[0] == '[') {
    if (const auto matched = bracket(pattern, c)) return *matched;
  }
  return {pattern[0] == c, 1};
}

Result<bool> regex_matches(const std::string& pattern, std::string_view text) {
  try {
    const boost::regex regex{pattern, boost::regex::perl};
    return Result<bool>{boost::regex_search(text.begin(), text.end(), regex,
                                            boost::regex_constants::match_continuous)};
  } catch (const std::exception& error) {
    return invalid("the pattern `" + shortened(pattern, 100) +
                   "` cannot be used: " + shortened(error.what(), 200));
  }
}

}  // namespace

// Goes back to the last star alone, which is enough: what an earlier one took can only be more.
bool matches_glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resumed = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resumed = t;
      continue;
    }
    const auto matched = p < pattern.size() ? one(pattern.substr(p), text[t]) : Matched{};
    if (matched.fits) {
      p += matched.length;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resumed;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<bool> is_for(const celery::ControlRequest& request, std::string_view node) {
  if (!request.destination.empty()) {
    return Result<bool>{std::ranges::find(request.destination, node) != request.destination.end()};
  }
  if (request.pattern.empty() || request.matcher.empty()) return Result<bool>{true};
  if (request.pattern.size() > kLongestPattern) {
    return invalid("the pattern has " + std::to_string(request.pattern.size()) +
                   " bytes (at most " + std::to_string(kLongestPattern) + ")");
  }
  if (request.matcher == "glob") return Result<bool>{matches_glob(request.pattern, node)};
  if (request.matcher == "pcre") return regex_matches(request.pattern, node);
  return invalid("no matcher is called `" + shortened(request.matcher, 100) +
                 "` (allowed: glob, pcre)");
}

}  // namespace umbel
