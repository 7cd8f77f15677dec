#include "names.hpp"

#include <algorithm>
#include <utility>

#include "bytes.hpp"

namespace umbel::collector {
namespace {

constexpr std::int64_t kMinute = 60, kDay = 86'400;
constexpr std::size_t kLargeRow = 16 * 1024;
constexpr std::int64_t kLargeRowEvery = 10;  // seconds
constexpr std::int64_t kLookEvery = 10;      // seconds
constexpr std::size_t kNodeBytes = 150;      // of a name's places in the list and the index

std::int64_t begin_of(std::int64_t t, std::int64_t step) { return t - (t % step + step) % step; }

// Sixty places for each day, so that what is kept does not grow with the time.
std::int64_t row_of(std::int64_t minute) {
  const std::int64_t day = begin_of(minute, kDay);
  return day + (minute - day) / kMinute % Names::kMinutes * kMinute;
}

std::size_t place_of(std::int64_t begin, std::int64_t step, std::size_t size) {
  return static_cast<std::size_t>(begin / step) % size;
}

}  // namespace

void NameCounts::add(const NameCounts& other) {
  received += other.received;
  succeeded += other.succeeded;
  failed += other.failed;
  retried += other.retried;
}

template <std::int64_t Step, std::size_t Size>
Names::Slot* Names::Slots<Step, Size>::at(std::int64_t t) {
  const std::int64_t begin = begin_of(t, Step);
  Slot& slot = slots[place_of(begin, Step, Size)];
  if (slot.begin > begin) return nullptr;
  if (slot.begin < begin) {
    slot.begin = begin;
    slot.wait.clear();
    slot.run.clear();
  }
  return &slot;
}

template <std::int64_t Step, std::size_t Size>
void Names::Slots<Step, Size>::add_to(NameWindow& window, std::int64_t from) const {
  for (const Slot& slot : slots) {
    if (slot.begin < from) continue;
    window.wait.add(slot.wait);
    window.run.add(slot.run);
  }
}

template <std::int64_t Step, std::size_t Size>
void Names::Slots<Step, Size>::merge(const Slots& other) {
  for (const Slot& theirs : other.slots) {
    if (theirs.begin < 0) continue;
    if (Slot* const mine = at(theirs.begin)) {
      mine->wait.add(theirs.wait);
      mine->run.add(theirs.run);
    }
  }
}

template <std::int64_t Step, std::size_t Size>
std::size_t Names::Slots<Step, Size>::bytes() const {
  std::size_t total = 0;
  for (const Slot& slot : slots) total += slot.wait.bytes() + slot.run.bytes();
  return total;
}

template <std::int64_t Step, std::size_t Size>
void Names::Counts<Step, Size>::add(std::int64_t t, const NameCounts& counts) {
  const std::int64_t begin = begin_of(t, Step);
  Span& span = spans[place_of(begin, Step, Size)];
  if (span.begin > begin) return;
  if (span.begin < begin) span = {.begin = begin, .counts = {}};
  span.counts.add(counts);
}

template <std::int64_t Step, std::size_t Size>
NameCounts Names::Counts<Step, Size>::at(std::int64_t begin) const {
  const Span& span = spans[place_of(begin, Step, Size)];
  return span.begin == begin ? span.counts : NameCounts{};
}

template <std::int64_t Step, std::size_t Size>
void Names::Counts<Step, Size>::merge(const Counts& other) {
  for (const Span& theirs : other.spans) {
    if (theirs.begin >= 0) add(theirs.begin, theirs.counts);
  }
}

void Names::Entry::put(const NameCounts& counts, std::int64_t t) {
  ten_counts_.add(t, counts);
  minute_counts_.add(t, counts);
  finished_ += counts.finished();
}

void Names::Entry::work_of(std::string_view worker) {
  if (worker.empty() || workers_.contains(worker) || workers_.size() >= kWorkersOfOne) return;
  workers_.emplace(worker);
}

void Names::Entry::merge(const Entry& other) {
  ten_counts_.merge(other.ten_counts_);
  minute_counts_.merge(other.minute_counts_);
  tens_.merge(other.tens_);
  minutes_.merge(other.minutes_);
  fives_.merge(other.fives_);
  finished_ += other.finished_;
  last_seen_ = std::max(last_seen_, other.last_seen_);
  for (const std::string& worker : other.workers_) work_of(worker);
}

std::size_t Names::Entry::spread_bytes() const {
  return tens_.bytes() + minutes_.bytes() + fives_.bytes();
}

Names::Names(WallTime started, NameLimits limits)
    : limits_{limits}, started_{unix_second(started)} {}

void Names::take(const NameSample& sample, std::int64_t t) {
  if (sample.name.empty()) return;
  Entry& entry = entry_of(sample.name);
  entry.last_seen_ = std::max(entry.last_seen_, t);
  if (!sample.queue.empty() && entry.queue_ != sample.queue) entry.queue_ = sample.queue;
  entry.work_of(sample.worker);
  const NameCounts counts{.received = sample.received ? 1U : 0U,
                          .succeeded = sample.succeeded ? 1U : 0U,
                          .failed = sample.failed ? 1U : 0U,
                          .retried = sample.retried ? 1U : 0U};
  if (counts == NameCounts{} && !sample.waited && !sample.ran) return;
  entry.put(counts, t);
  for (Slot* const slot : {entry.tens_.at(t), entry.minutes_.at(t), entry.fives_.at(t)}) {
    if (slot == nullptr) continue;
    if (sample.waited) slot->wait.add(*sample.waited);
    if (sample.ran) slot->run.add(*sample.ran);
  }
  changed_.insert(begin_of(t, kMinute));
  if (t >= last_look_ + kLookEvery) {
    last_look_ = t;
    bound_bytes();
  }
}

Names::Entry& Names::entry_of(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front();
  }
  if (entries_.size() >= limits_.names && name != kOther) fold_oldest();
  entries_.emplace_front(std::string{name});
  by_name_.emplace(entries_.front().name(), entries_.begin());
  return entries_.front();
}

void Names::fold_oldest() {
  Entry& other = entry_of(kOther);  // now the newest
  if (entries_.size() < 2) return;
  const auto oldest = std::prev(entries_.end());
  other.merge(*oldest);
  by_name_.erase(oldest->name());
  entries_.erase(oldest);
  ++folded_;
}

void Names::bound_bytes() {
  std::size_t total = 0;
  for (const Entry& each : entries_) total += each.spread_bytes();
  while (total > limits_.spread_bytes && entries_.size() > 2) {
    total -= entries_.back().spread_bytes();
    fold_oldest();
  }
}

const Names::Entry* Names::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &*found->second;
}

std::int64_t Names::known(std::int64_t minute, std::int64_t now) const {
  const std::int64_t begun = begin_of(started_, kMinute);
  const std::int64_t until = std::min(minute + kMinute, now + 1);
  if (minute > begun || restored_.contains(minute))
    return std::max<std::int64_t>(until - minute, 0);
  // Of the minute of a first start there is nothing else to know.
  return minute == begun && restored_.empty() ? std::max<std::int64_t>(until - started_, 0) : 0;
}

NameWindow Names::window(const Entry& entry, std::int64_t minutes, std::int64_t now) const {
  NameWindow window;
  if (minutes == 1) {
    const std::int64_t from = begin_of(now, 10) - 50;
    for (const auto& span : entry.ten_counts_.spans) {
      if (span.begin >= from) window.counts.add(span.counts);
    }
    entry.tens_.add_to(window, from);
    window.known = std::max<std::int64_t>(now + 1 - std::max(from, started_), 0);
    return window;
  }
  const std::int64_t from = begin_of(now, kMinute) - (minutes - 1) * kMinute;
  for (std::int64_t minute = from; minute <= now; minute += kMinute) {
    window.counts.add(entry.minute_counts_.at(minute));
    window.known += known(minute, now);
  }
  minutes <= 5 ? entry.minutes_.add_to(window, from) : entry.fives_.add_to(window, from);
  return window;
}

std::vector<std::optional<NameCounts>> Names::by_minute(const Entry& entry,
                                                        std::int64_t now) const {
  std::vector<std::optional<NameCounts>> counts;
  const std::int64_t last = begin_of(now, kMinute);
  for (std::int64_t minute = last - (kMinutes - 1) * kMinute; minute <= last; minute += kMinute) {
    counts.push_back(known(minute, now) > 0 ? std::optional{entry.minute_counts_.at(minute)}
                                            : std::nullopt);
  }
  return counts;
}

std::size_t Names::bytes() const {
  std::size_t total = 0;
  for (const Entry& each : entries_) {
    total += sizeof(Entry) + kNodeBytes + each.name().size() + each.spread_bytes();
    for (const std::string& worker : each.workers()) total += kNodeBytes + worker.size();
  }
  return total;
}

std::vector<KeptRow> Names::take_changed(std::int64_t now) {
  std::vector<KeptRow> rows;
  const std::int64_t current = begin_of(now, kMinute);
  std::erase_if(restored_, [&](std::int64_t minute) { return minute + kDay < now; });
  for (auto minute = changed_.begin(); minute != changed_.end();) {
    const bool may_wait = *minute == current && last_row_ >= kLargeRow &&
                          now < last_taken_ + kLargeRowEvery && now >= last_taken_;
    if (may_wait) {
      ++minute;
      continue;
    }
    rows.push_back({.kind = kKind, .at = row_of(*minute), .data = minute_row(*minute)});
    last_row_ = rows.back().data.size();
    last_taken_ = now;
    minute = changed_.erase(minute);
  }
  return rows;
}

void Names::changed_again(const KeptRow& row) {
  if (row.kind != kKind) return;
  ByteReader in{row.data};
  if (const auto minute = in.number())
    changed_.insert(static_cast<std::int64_t>(*minute) * kMinute);
}

std::string Names::minute_row(std::int64_t begin) const {
  ByteWriter out;
  out.number(static_cast<std::uint64_t>(begin / kMinute));
  for (const Entry& each : entries_) {
    const NameCounts counts = each.minute_counts_.at(begin);
    const auto slot = std::find_if(each.minutes_.slots.begin(), each.minutes_.slots.end(),
                                   [&](const Slot& any) { return any.begin == begin; });
    const bool timed = slot != each.minutes_.slots.end();
    if (counts == NameCounts{} && !timed) continue;
    out.text(each.name());
    out.text(each.queue());
    for (const std::uint32_t count :
         {counts.received, counts.succeeded, counts.failed, counts.retried})
      out.number(count);
    (timed ? slot->wait : Spread{}).write(out);
    (timed ? slot->run : Spread{}).write(out);
  }
  return out.take();
}

void Names::restore(const KeptRow& row) {
  ByteReader in{row.data};
  const auto number = in.number();
  if (!number || *number > 1'000'000'000) return;
  const std::int64_t minute = static_cast<std::int64_t>(*number) * kMinute;
  if (minute <= started_ - kMinutes * kMinute || minute > started_) return;
  while (!in.empty()) {
    const auto name = in.text();
    const auto queue = in.text();
    std::array<std::uint32_t, 4> counts{};
    for (std::uint32_t& count : counts) {
      const auto value = in.number();
      if (!value) return;
      count = static_cast<std::uint32_t>(*value);
    }
    const auto wait = Spread::read(in);
    const auto run = Spread::read(in);
    if (!name || name->empty() || !queue || !wait || !run) return;
    Entry& entry = entry_of(*name);
    if (!queue->empty()) entry.queue_ = *queue;
    entry.last_seen_ = std::max(entry.last_seen_, std::min(minute + kMinute - 1, started_));
    entry.minute_counts_.add(
        minute,
        {.received = counts[0], .succeeded = counts[1], .failed = counts[2], .retried = counts[3]});
    for (Slot* const slot : {entry.minutes_.at(minute), entry.fives_.at(minute)}) {
      if (slot == nullptr) continue;
      slot->wait.add(*wait);
      slot->run.add(*run);
    }
  }
  restored_.insert(minute);
}

std::int64_t Names::kept_since(std::int64_t now) {
  return begin_of(now - kMinutes * kMinute, kDay);
}

}  // namespace umbel::collector
