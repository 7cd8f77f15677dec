// How far back to list: the decisions of reddit.discover, without its requests.
//
// A subreddit is listed newest first, page by page, until a page reaches ten minutes below the
// watermark (everything created up to it was listed before) and everything it shows from down there
// is known. The overlap is for submissions that show up late, and lets a listing that was cut short
// once be made good. What is unknown is new, wherever it stands.
//
// The first page that was ever listed of a subreddit decides where our time begins: the newcomer
// sees something at once, and does not spend the budget on the past. That is remembered as soon as
// the page is here, so that a worker that dies before it could accept anything leaves the beginning
// to its successor. A later run stops at the first page that reaches back to it. Still, whatever a
// page shows and is unknown is taken: what was listed is what is fetched, without exception.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel::reddit {

struct ListedItem {
  std::string fullname;
  WallTime created{};
  bool known = false;  // sighted before
};

struct WalkOptions {
  std::optional<WallTime> watermark;  // nothing: no run has accepted anything yet
  std::optional<WallTime> began;      // creation of the oldest submission of the first page ever
  std::chrono::microseconds overlap = std::chrono::minutes{10};
  std::size_t most_pages =
      25;  // Reddit lists about 1,000, so ten pages; beyond this something is wrong
};

class Walk {
 public:
  // Fetch the page after this anchor (empty: the first page), or stop.
  struct Step {
    bool fetch = false;
    std::string after;
    friend bool operator==(const Step&, const Step&) = default;
  };

  explicit Walk(WalkOptions options) : options_{options} {}

  // Begin with {true, ""}; then each page as it was answered tells the next step. An empty page
  // after an anchor means that the anchor was deleted meanwhile: the walk tries the submissions
  // before it, up to three of each page, before it takes that for the end.
  [[nodiscard]] Step feed(const std::vector<ListedItem>& page,
                          const std::optional<std::string>& after);

  [[nodiscard]] const std::vector<std::string>& fresh() const {
    return fresh_;
  }  // new ones, newest first
  [[nodiscard]] bool gap() const {
    return gap_;
  }  // the listing ended before the watermark, or before the beginning without one: some were
     // missed
  [[nodiscard]] std::size_t pages() const { return pages_; }
  [[nodiscard]] std::optional<WallTime> newest() const {
    return newest_;
  }  // of all that was listed
  // What to remember as WalkOptions::began, once the first page that was ever listed has been fed.
  [[nodiscard]] std::optional<WallTime> began() const { return began_; }

 private:
  [[nodiscard]] std::optional<WallTime> ours() const;  // what a listing must reach
  [[nodiscard]] bool is_before_us(const ListedItem& item) const;
  [[nodiscard]] bool reaches_the_known(const std::vector<ListedItem>& page) const;
  [[nodiscard]] Step next(const std::optional<std::string>& after);
  [[nodiscard]] Step end();

  WalkOptions options_;
  std::vector<std::string> fresh_;
  std::set<std::string> seen_, anchors_;
  std::vector<std::string>
      before_anchor_;  // the page whose end was the anchor, without what was tried
  std::size_t pages_ = 0, steps_back_ = 0;
  bool reached_ours_ = false, gap_ = false;
  std::optional<WallTime> newest_, began_;
};

}  // namespace umbel::reddit
