#include "blind_spans.hpp"

#include <algorithm>
#include <array>

#include "bytes.hpp"

namespace umbel::collector {
namespace {

constexpr std::int64_t kTouch = 5;  // seconds between two spans that count as one
constexpr std::array kReasons{BlindReason::Cut, BlindReason::Gap, BlindReason::Outage,
                              BlindReason::Behind, BlindReason::Stopped};

std::string kind_of(BlindReason reason) { return "blind-" + std::string{to_text(reason)}; }

std::optional<BlindReason> reason_of(std::string_view kind) {
  for (const BlindReason reason : kReasons) {
    if (kind == kind_of(reason)) return reason;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(BlindReason reason) {
  switch (reason) {
    case BlindReason::Cut:
      return "cut";
    case BlindReason::Gap:
      return "gap";
    case BlindReason::Outage:
      return "outage";
    case BlindReason::Behind:
      return "behind";
    case BlindReason::Stopped:
      break;
  }
  return "stopped";
}

bool lost_for_good(BlindReason reason) {
  return reason == BlindReason::Cut || reason == BlindReason::Gap;
}

std::vector<std::string> BlindSpans::kinds() {
  std::vector<std::string> kinds;
  for (const BlindReason reason : kReasons) kinds.push_back(kind_of(reason));
  return kinds;
}

std::int64_t BlindSpans::add(BlindSpan span) {
  if (span.to < span.from) std::swap(span.from, span.to);
  ++version_;
  const auto last = std::find_if(spans_.rbegin(), spans_.rend(),
                                 [&](const BlindSpan& each) { return each.reason == span.reason; });
  if (last != spans_.rend() && span.from >= last->from && span.from <= last->to + kTouch) {
    const std::int64_t longer = std::max<std::int64_t>(span.to - last->to, 0);
    last->to = std::max(last->to, span.to);
    last->lost += span.lost;
    if (last->who != span.who) last->who.clear();
    changed_.emplace(last->from, last->reason);
    return longer;
  }
  changed_.emplace(span.from, span.reason);
  const std::int64_t length = span.to - span.from + 1;
  spans_.push_back(std::move(span));
  if (spans_.size() > kMost) spans_.pop_front();
  return length;
}

std::vector<BlindSpan> BlindSpans::between(std::int64_t from, std::int64_t to) const {
  std::vector<BlindSpan> found;
  for (const BlindSpan& span : spans_) {
    if (span.to >= from && span.from <= to) found.push_back(span);
  }
  std::sort(found.begin(), found.end(),
            [](const BlindSpan& a, const BlindSpan& b) { return a.from < b.from; });
  return found;
}

std::vector<KeptRow> BlindSpans::take_changed() {
  std::vector<KeptRow> rows;
  for (const auto& [from, reason] : changed_) {
    const auto span = std::find_if(spans_.begin(), spans_.end(),
                                   [from = from, reason = reason](const BlindSpan& each) {
                                     return each.from == from && each.reason == reason;
                                   });
    if (span == spans_.end()) continue;
    ByteWriter out;
    out.signed_number(span->to - span->from);
    out.number(span->lost);
    out.text(span->who);
    rows.push_back({.kind = kind_of(reason), .at = from, .data = out.take()});
  }
  changed_.clear();
  return rows;
}

void BlindSpans::changed_again(const KeptRow& row) {
  if (const auto reason = reason_of(row.kind)) changed_.emplace(row.at, *reason);
}

void BlindSpans::restore(const KeptRow& row) {
  const auto reason = reason_of(row.kind);
  ByteReader in{row.data};
  const auto length = in.signed_number();
  const auto lost = in.number();
  const auto who = in.text();
  if (!reason || !length || *length < 0 || !lost || !who) return;
  spans_.push_back({.from = row.at,
                    .to = row.at + *length,
                    .reason = *reason,
                    .lost = *lost,
                    .who = std::string{*who}});
  if (spans_.size() > kMost) spans_.pop_front();
  ++version_;
}

}  // namespace umbel::collector
