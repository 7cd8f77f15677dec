// What became of the tasks of each name in the last hour: counts by minute, and how long they
// waited and ran over the last one, five and sixty minutes.
//
// Bounded by names and by bytes: beyond it the name seen longest ago is added to the one called
// `other`. Minutes are kept with the history, those of the last hour, so that a restart knows them
// again; a minute of which that is not so is not known, which is not the same as nothing having
// happened in it. Plain values, no I/O.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "series.hpp"
#include "spread.hpp"
#include "umbel/history/history.hpp"

namespace umbel::collector {

struct NameLimits {
  std::size_t names = 1'000;
  std::size_t spread_bytes = std::size_t{24} << 20;  // of how long they took
};

// One change of a task, as it is counted.
struct NameSample {
  std::string_view name;
  std::string_view queue, worker;  // empty: not said
  bool received = false, succeeded = false, failed = false, retried = false;
  std::optional<std::chrono::microseconds> waited, ran;
};

struct NameCounts {
  std::uint32_t received = 0, succeeded = 0, failed = 0, retried = 0;

  void add(const NameCounts& other);
  [[nodiscard]] std::uint64_t finished() const { return std::uint64_t{succeeded} + failed; }
  friend bool operator==(const NameCounts&, const NameCounts&) = default;
};

// Over the last minutes, the one still filling included.
struct NameWindow {
  NameCounts counts;
  Spread wait, run;
  std::int64_t known = 0;  // seconds of the window that are known
};

class Names {
 public:
  static constexpr std::int64_t kMinutes = 60;
  static constexpr std::size_t kWorkersOfOne = 50;
  static constexpr const char* kOther = "other";
  static constexpr const char* kKind = "names";  // of the rows that keep it, sixty for a day

  // `started`: what was before is known from kept rows only.
  explicit Names(WallTime started, NameLimits limits = {});
  Names(Names&&) = default;
  Names& operator=(Names&&) = default;

  // `t` is the second in which it happened.
  void take(const NameSample& sample, std::int64_t t);

  class Entry;
  // Nothing: not known. Until the next call of take() or restore().
  [[nodiscard]] const Entry* find(std::string_view name) const;
  // In no order, until the next call of take() or restore().
  [[nodiscard]] const std::list<Entry>& all() const { return entries_; }
  // `minutes`: 1, 5 or 60.
  [[nodiscard]] NameWindow window(const Entry& entry, std::int64_t minutes, std::int64_t now) const;
  // The last 60 minutes, oldest first; nothing: not known.
  [[nodiscard]] std::vector<std::optional<NameCounts>> by_minute(const Entry& entry,
                                                                 std::int64_t now) const;
  [[nodiscard]] std::uint64_t folded() const { return folded_; }  // names that became `other`
  [[nodiscard]] std::size_t bytes() const;                        // estimated

  // --- to be kept over a restart
  // The minutes that changed since the last call, as rows. Large rows only every ten seconds.
  [[nodiscard]] std::vector<KeptRow> take_changed(std::int64_t now);
  void changed_again(const KeptRow& row);  // it could not be kept
  void restore(const KeptRow& row);        // damaged ones are passed over
  // In this minute (its first second) no task changed, though somebody watched.
  void nothing_happened(std::int64_t minute) { restored_.insert(minute); }
  // The rows of the last hour have this time and later ones.
  [[nodiscard]] static std::int64_t kept_since(std::int64_t now);

  // One of the few spans of a window.
  struct Slot {
    std::int64_t begin = -1;
    Spread wait, run;
  };
  template <std::int64_t Step, std::size_t Size>
  struct Slots {
    std::array<Slot, Size> slots;
    Slot* at(std::int64_t t);  // nothing: a later one has its place
    void add_to(NameWindow& window, std::int64_t from) const;
    void merge(const Slots& other);
    [[nodiscard]] std::size_t bytes() const;
  };
  template <std::int64_t Step, std::size_t Size>
  struct Counts {
    struct Span {
      std::int64_t begin = -1;
      NameCounts counts;
    };
    std::array<Span, Size> spans;
    void add(std::int64_t t, const NameCounts& counts);
    [[nodiscard]] NameCounts at(std::int64_t begin) const;
    void merge(const Counts& other);
  };

  class Entry {
   public:
    explicit Entry(std::string name) : name_{std::move(name)} {}
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::string& queue() const { return queue_; }  // the last one; may be empty
    [[nodiscard]] const std::set<std::string, std::less<>>& workers() const { return workers_; }
    [[nodiscard]] std::int64_t last_seen() const { return last_seen_; }  // Unix seconds
    [[nodiscard]] std::uint64_t finished() const { return finished_; }   // since the start

   private:
    friend class Names;
    void merge(const Entry& other);
    void put(const NameCounts& counts, std::int64_t t);
    void work_of(std::string_view worker);
    [[nodiscard]] std::size_t spread_bytes() const;

    std::string name_, queue_;
    std::set<std::string, std::less<>> workers_;
    std::int64_t last_seen_ = 0;
    std::uint64_t finished_ = 0;
    Counts<10, 6> ten_counts_;
    Counts<60, static_cast<std::size_t>(kMinutes)> minute_counts_;
    Slots<10, 6> tens_;
    Slots<60, 5> minutes_;
    Slots<300, 12> fives_;
  };

 private:
  Entry& entry_of(std::string_view name);
  void fold_oldest();
  void bound_bytes();
  [[nodiscard]] std::string minute_row(std::int64_t begin) const;
  // How much of this minute is known by now; seconds.
  [[nodiscard]] std::int64_t known(std::int64_t minute, std::int64_t now) const;

  NameLimits limits_;
  std::int64_t started_ = 0;  // Unix seconds
  std::list<Entry> entries_;  // seen last first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_name_;
  std::uint64_t folded_ = 0;
  std::int64_t last_look_ = 0;       // at the bytes
  std::set<std::int64_t> restored_;  // minutes
  std::set<std::int64_t> changed_;   // minutes
  std::int64_t last_taken_ = 0;
  std::size_t last_row_ = 0;  // bytes
};

}  // namespace umbel::collector
