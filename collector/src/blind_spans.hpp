// The spans of time of which the monitor does not know everything, and why.
//
// A chart that shows zero where nobody looked lies; so does one that forgets the hole when the
// monitor is restarted. Plain values, no I/O; kept with the history.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/history/history.hpp"

namespace umbel::collector {

enum class BlindReason {
  Cut,      // the event stream's bound dropped batches before they were read
  Gap,      // a worker's numbering has holes: its events were lost on the way
  Outage,   // events could not be read; they were read afterwards
  Behind,   // the monitor was behind; what it showed was of earlier
  Stopped,  // the monitor did not run; what happened was read afterwards
};
[[nodiscard]] std::string_view to_text(BlindReason reason);
// Whether something of the span is lost for good; otherwise only what was shown then was old.
[[nodiscard]] bool lost_for_good(BlindReason reason);

struct BlindSpan {
  std::int64_t from = 0, to = 0;  // Unix time, seconds; both within the span
  BlindReason reason = BlindReason::Cut;
  std::uint64_t lost = 0;  // events (Gap) or batches (Cut), at least
  std::string who;         // the worker, for Gap; empty: nobody in particular

  friend bool operator==(const BlindSpan&, const BlindSpan&) = default;
};

class BlindSpans {
 public:
  static constexpr std::size_t kMost = 1000;              // the oldest go
  [[nodiscard]] static std::vector<std::string> kinds();  // of the rows

  // Joined with the last one of the same reason where they touch. Answers how many seconds were
  // not in a span of this reason before.
  std::int64_t add(BlindSpan span);

  // Those that touch [from, to], oldest first.
  [[nodiscard]] std::vector<BlindSpan> between(std::int64_t from, std::int64_t to) const;
  [[nodiscard]] std::uint64_t version() const { return version_; }  // rises with every change

  // These replace others that were at `version`.
  void follow(std::uint64_t version) { version_ = std::max(version_, version) + 1; }

  // What changed since the last call, as rows to be kept; and back.
  [[nodiscard]] std::vector<KeptRow> take_changed();
  void changed_again(const KeptRow& row);  // it could not be kept
  void restore(const KeptRow& row);        // damaged ones are passed over

 private:
  std::deque<BlindSpan> spans_;  // as they began to be known
  std::set<std::pair<std::int64_t, BlindReason>> changed_;
  std::uint64_t version_ = 0;
};

}  // namespace umbel::collector
