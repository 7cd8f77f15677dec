// The history port: every task a monitor saw, with its timeline, kept over restarts.
//
// Written by one process at a time, in batches; each batch carries the reader's positions,
// committed together with it, so that after a kill reading goes on exactly behind what is kept.
// Writing a batch twice is harmless.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/history/task_query.hpp"
#include "umbel/model/task.hpp"

namespace umbel {

// Something of the writer's own that belongs to a time: a minute of its chart, a span it did not
// see. One row for each (kind, at); written again, the newer one counts.
struct KeptRow {
  std::string kind;
  std::int64_t at = 0;  // Unix time, seconds
  std::string data;     // any bytes

  friend bool operator==(const KeptRow&, const KeptRow&) = default;
};

// How far the writer has read its sources, and what it made of them beside the tasks.
struct HistoryPosition {
  std::uint64_t event_offset = 0;     // of the broker's event stream
  std::uint64_t result_sequence = 0;  // of ResultStore::finished_since
  // Of the live stream to pages, so that it never repeats after a restart.
  std::uint64_t push_sequence = 0;
  // The writer's own words, kept with the position and committed with it (its counters); any bytes.
  std::string note;
  // Rows that are new or changed, committed with the position too. `position()` answers none:
  // `kept()` does.
  std::vector<KeptRow> rows;

  friend bool operator==(const HistoryPosition&, const HistoryPosition&) = default;
};

// One thing that happened to a task.
struct Moment {
  TaskId task;
  WallTime at{};       // the sender's clock
  std::string type;    // `received`, `started`, … as in the event's name
  std::string worker;  // the sender
  std::string detail;  // exception, ETA, … in a few words; may be empty

  friend bool operator==(const Moment&, const Moment&) = default;
};

// A place in the list of tasks, newest first; opaque to callers, made by the store.
struct HistoryPage {
  std::vector<Task> tasks;
  std::optional<std::string> next;  // hand it back for the page behind; nothing: this was the last
};

struct SearchOptions {
  std::size_t limit = 50;           // tasks; at least 1
  std::optional<std::string> from;  // `next` of the page before, of the same query
  // What it may take, about; something is always looked at, so that asking again gets on.
  std::chrono::milliseconds budget{100};
  // Tasks as they stand now, which the history does not have yet, or not like this: each stands in
  // the place of what is stored of it.
  std::span<const Task> newer{};
};

struct SearchPage {
  std::vector<Task> tasks;
  std::optional<std::string> next;  // nothing: there are no more
  // False: the budget was used up before the page was full; `next` goes on there.
  bool complete = true;
  // Newest first, and not complete: everything from here on was looked at.
  std::optional<WallTime> searched_back_to;
};

// What a day of the history takes on the disk.
struct HistoryDay {
  std::string day;  // `2026-11-22`, UTC
  std::uint64_t bytes = 0;

  friend bool operator==(const HistoryDay&, const HistoryDay&) = default;
};

// Thread-safe for readers beside one writer.
class History {
 public:
  virtual ~History() = default;

  // Becomes the writer and stays it until it is gone, as the first append would; Unavailable while
  // somebody else is. From then on nobody else moves the position: whoever follows another writer
  // reads it (again) before appending.
  [[nodiscard]] virtual Result<void> become_writer() = 0;
  // Stores the tasks as they stand now, appends the moments, moves the position: all or nothing,
  // over a kill too. What a task does not carry (an empty optional) stays as it was stored, so that
  // a writer may let go of a task's texts once they are kept. Whoever appends first is the writer
  // until it is gone; Unavailable for everybody else, who may try again.
  [[nodiscard]] virtual Result<void> append(std::span<const Task> tasks,
                                            std::span<const Moment> moments,
                                            const HistoryPosition& position) = 0;
  [[nodiscard]] virtual Result<HistoryPosition> position() = 0;
  // The rows of this kind from `from` on (Unix time, seconds), oldest first.
  [[nodiscard]] virtual Result<std::vector<KeptRow>> kept(const std::string& kind,
                                                          std::int64_t from) = 0;

  [[nodiscard]] virtual Result<Task> find(const TaskId& id) = 0;  // NotFound
  [[nodiscard]] virtual Result<std::vector<Moment>> timeline(
      const TaskId& id) = 0;  // oldest first; unknown: empty
  // By first sight, newest first.
  [[nodiscard]] virtual Result<HistoryPage> latest(std::size_t limit,
                                                   const std::optional<std::string>& from) = 0;
  // What the query finds, in its order: going on with `next` gives every task once that is there
  // all the while, whatever is written meanwhile. Invalid: `from` is no place of this order.
  [[nodiscard]] virtual Result<SearchPage> search(const TaskQuery& query,
                                                  const SearchOptions& options) = 0;
  // Tasks without a final state, newest first: what a monitor takes up again after a restart.
  [[nodiscard]] virtual Result<std::vector<Task>> unfinished(std::size_t limit) = 0;
  // Oldest first; empty: nothing is kept yet, or the engine cannot tell.
  [[nodiscard]] virtual Result<std::vector<HistoryDay>> day_sizes() {
    return std::vector<HistoryDay>{};
  }
  // Forgets whole days before `before`; answers how many days.
  [[nodiscard]] virtual Result<std::size_t> forget(WallTime before) = 0;
};

}  // namespace umbel
