#include "queue_detail.hpp"

#include <algorithm>

#include "series.hpp"

namespace umbel::collector {
namespace {

using Total = std::optional<std::uint64_t>;

// Tasks that ever left the waiting ones; one that was given back counts again when it is taken.
// Where the broker does not count what was published: against an unchanging number, so that fewer
// that wait are some that were taken.
std::int64_t taken(const QueueFigures& figures) {
  return static_cast<std::int64_t>(figures.published_total.value_or(0)) -
         static_cast<std::int64_t>(figures.ready + figures.delayed.value_or(0));
}

bool counts(const QueueFigures& figures) {
  return figures.published_total.has_value() && figures.acked_total.has_value();
}

std::uint64_t risen(Total now, Total before) {
  // A queue made anew begins at zero.
  return now && before && *now > *before ? *now - *before : 0;
}

}  // namespace

void QueueDetail::measure(const QueueFigures& figures, std::int64_t processed, WallTime now) {
  QueueMinute& minute = minutes_.at(unix_second(now));
  minute.most_ready = std::max(minute.most_ready, figures.ready);
  if (!last_) {
    moved_ = now;
    if (figures.ready > 0 && figures.consumers == 0)
      moved_ = std::min(figures.oldest_ready.value_or(now), now);
  } else {
    minute.flow_known = minute.flow_known || (counts(figures) && counts(*last_));
    minute.in += risen(figures.published_total, last_->published_total);
    minute.out += risen(figures.acked_total, last_->acked_total);
    if (figures.ready == 0 || last_->ready == 0 || taken(figures) > taken(*last_) ||
        figures.acked_total != last_->acked_total ||
        (!counts(figures) && figures.consumers > 0 && processed != processed_)) {
      moved_ = now;
    }
  }
  last_ = figures;
  processed_ = processed;
}

void QueueDetail::clock_stepped(std::chrono::microseconds by) {
  if (moved_) *moved_ += by;
}

std::optional<double> drain_seconds(std::uint64_t ready, const std::optional<double>& in_rate,
                                    const std::optional<double>& out_rate) {
  if (ready == 0) return 0.0;
  if (!in_rate || !out_rate || *out_rate <= *in_rate) return std::nullopt;
  return static_cast<double>(ready) / (*out_rate - *in_rate);
}

}  // namespace umbel::collector
