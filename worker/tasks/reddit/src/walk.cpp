#include "walk.hpp"

#include <algorithm>

namespace umbel::reddit {
namespace {

constexpr std::size_t kMostStepsBack = 3;

}  // namespace

std::optional<WallTime> Walk::ours() const {
  return options_.watermark ? options_.watermark : options_.began;
}

bool Walk::is_before_us(const ListedItem& item) const {
  return options_.began && item.created < *options_.began;
}

bool Walk::reaches_the_known(const std::vector<ListedItem>& page) const {
  const WallTime boundary = *options_.watermark - options_.overlap;
  bool reaches = false;
  for (const ListedItem& item : page) {
    if (is_before_us(item)) return true;
    if (item.created > boundary) continue;
    if (!item.known) return false;
    reaches = true;
  }
  return reaches;
}

Walk::Step Walk::end() {
  gap_ = ours() && !reached_ours_ && !seen_.empty();
  return {};
}

Walk::Step Walk::next(const std::optional<std::string>& after) {
  if (!after || pages_ >= options_.most_pages || !anchors_.insert(*after).second) return end();
  return {true, *after};
}

Walk::Step Walk::feed(const std::vector<ListedItem>& page,
                      const std::optional<std::string>& after) {
  ++pages_;
  if (page.empty() && !before_anchor_.empty() && steps_back_ < kMostStepsBack) {
    ++steps_back_;
    const std::string anchor = before_anchor_.back();
    before_anchor_.pop_back();
    return next(anchor);
  }

  before_anchor_.clear();
  if (!page.empty()) steps_back_ = 0;
  for (const ListedItem& item : page) {
    before_anchor_.push_back(item.fullname);
    if (!newest_ || item.created > *newest_) newest_ = item.created;
    if (ours() && item.created <= *ours()) reached_ours_ = true;
    if (seen_.insert(item.fullname).second && !item.known) {
      fresh_.push_back(item.fullname);
    }
  }
  if (!before_anchor_.empty()) before_anchor_.pop_back();  // the anchor itself

  if (!options_.watermark) {
    const auto oldest =
        std::min_element(page.begin(), page.end(),
                         [](const auto& a, const auto& b) { return a.created < b.created; });
    if (oldest == page.end()) return end();
    if (!options_.began) {
      options_.began = began_ = oldest->created;
      return {};
    }
    // Not `<=`: the page that decided may have ended anywhere in that second.
    return oldest->created < *options_.began ? Step{} : next(after);
  }
  if (reaches_the_known(page)) return {};
  return next(after);
}

}  // namespace umbel::reddit
